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
