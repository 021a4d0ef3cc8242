"""Which packets are meant: what is written strangely, and what must not mean everybody."""

import pytest

from chaoslab.core.errors import BadUsage, Refused
from chaoslab.network import firewall
from chaoslab.network.matching import addresses, ports


@pytest.mark.parametrize("value", [[], " ", ",", "\n", [""]])
def test_an_empty_choice_is_never_everybody(value):
    with pytest.raises(BadUsage, match="^peers: names none"):
        addresses("peers", value)
    with pytest.raises(BadUsage, match="^ports: names none"):
        ports("ports", value, needed=False)


def test_what_is_left_out_means_all():
    assert addresses("peers", "").networks == ()
    assert ports("ports", "", needed=False).ranges == ()


def test_ipv4_in_the_clothes_of_ipv6_is_what_is_on_the_wire():
    assert str(addresses("peers", "::ffff:10.0.0.1")) == "10.0.0.1"
    assert str(addresses("peers", "::ffff:10.0.0.0/120")) == "10.0.0.0/24"
    assert str(addresses("peers", "::/0")) == "::/0"


@pytest.mark.parametrize(
    "value", ["fe80::1%eth0", "10.0.0.1 }; flush ruleset", "10.0.0.256", "host", "1-2", "10.0.0.1/33"]
)
def test_what_is_no_address_is_refused(value):
    with pytest.raises(BadUsage, match="^peers: .* is no address and no network"):
        addresses("peers", value)


@pytest.mark.parametrize("value", [".", "..", "a/../b", "/./"])
def test_a_cgroup_that_would_be_everybody_is_refused(value):
    with pytest.raises(Refused, match="is no path of a cgroup"):
        firewall._cgroup(value)


@pytest.mark.parametrize("value", ["١٢", "1; flush ruleset", '"', "no such"])
def test_a_user_that_is_none_is_refused(value):
    with pytest.raises(Refused, match="there is no user"):
        firewall._uid(value)


def test_ports_are_merged_and_in_order():
    assert str(ports("port", "8000-8010, 5432,8011-8020,8005")) == "5432, 8000-8020"
    assert str(ports("port", [22, "80-90"])) == "22, 80-90"
    assert ports("port", "1-2,4").ranges == ((1, 2), (4, 4))
    assert ports("port", "5-7,9-9").count == 4


def test_a_port_is_meant_or_not():
    some = ports("port", "80,90-92")
    assert [port for port in (79, 80, 81, 89, 90, 92, 93) if port in some] == [80, 90, 92]
    assert 5 in ports("port", "", needed=False)
    assert ports("port", "", needed=False).count == 65535


@pytest.mark.parametrize("value", ["0", "65536", "9-8", "1-65536", "-1", "1-", "x", "١٢", "123456"])
def test_what_is_no_port_is_refused(value):
    with pytest.raises(BadUsage, match=f"^port: '{value}' is no port from 1 to 65535"):
        ports("port", value)


def test_addresses_are_merged_and_told_by_version():
    both = addresses("peers", "10.0.0.0/25, 10.0.0.128/25,fd00::1")
    assert str(both) == "10.0.0.0/24, fd00::1"
    assert both.of(4) == "{ 10.0.0.0/24 }"
    assert both.of(6) == "{ fd00::1 }"
    assert addresses("peers", "10.0.0.5").of(6) == ""


def test_an_address_is_meant_or_not():
    some = addresses("peers", "10.0.0.0/24")
    assert "10.0.0.9" in some
    assert "10.0.1.9" not in some
    assert "10.0.1.9" in addresses("peers", "")


def test_sides_overlap_only_where_an_address_is_on_both():
    left = addresses("left", "10.0.0.0/24, fd00::/64")
    assert left.overlaps(addresses("right", "10.0.0.7"))
    assert left.overlaps(addresses("right", "fd00::5"))
    assert not left.overlaps(addresses("right", "10.0.1.0/24, fd01::1"))
