"""Whatever is chosen, the filters pick it and nothing else."""

import ipaddress

from hypothesis import given
from hypothesis import strategies as st

from chaoslab.network.shaping_traffic import masks_of, matches_of, traffic_of

PORTS = st.integers(1, 65535)
RANGES = st.tuples(PORTS, PORTS).map(sorted)
V4 = st.tuples(st.ip_addresses(v=4), st.integers(1, 32)).map(lambda pair: ipaddress.ip_network(pair, strict=False))
V6 = (
    st.tuples(st.ip_addresses(v=6), st.integers(1, 128))
    .map(lambda pair: ipaddress.ip_network(pair, strict=False))
    .filter(lambda network: network.network_address.ipv4_mapped is None)  # that is IPv4 in other clothes
)


@given(RANGES, PORTS)
def test_the_blocks_of_a_range_are_that_range(ends, port):
    first, last = ends
    picked = [value for value, mask in masks_of(first, last) if port & mask == value]
    assert len(picked) == (first <= port <= last), "each port once, and no other"


@given(RANGES)
def test_a_range_needs_few_blocks(ends):
    assert len(list(masks_of(*ends))) <= 30


@given(
    st.lists(V4 | V6, max_size=4),
    st.lists(RANGES, min_size=1, max_size=2),
    st.sampled_from(["destination", "source", "either"]),
    st.sampled_from(["tcp", "udp", "both"]),
    st.tuples(st.ip_addresses(), PORTS, PORTS, st.sampled_from([6, 17])),
)
def test_a_packet_is_picked_if_and_only_if_it_is_meant(peers, ranges, side, protocol, packet):
    given_ports = ",".join(f"{first}-{last}" for first, last in ranges)
    given_peers = [str(peer) for peer in peers] or ""
    traffic = traffic_of(peers=given_peers, ports=given_ports, protocol=protocol, side=side)
    address, source, destination, number = packet

    def chosen(port):
        return any(first <= port <= last for first, last in ranges)

    by_port = (side != "source" and chosen(destination)) or (side != "destination" and chosen(source))
    by_peer = not peers or any(peer.version == address.version and address in peer for peer in peers)
    by_protocol = number in {"tcp": (6,), "udp": (17,), "both": (6, 17)}[protocol]
    meant = by_port and by_peer and by_protocol
    assert any(picks(match, packet) for match in matches_of(traffic)) == meant


def picks(match, packet):
    """Do what the kernel's u32 does with the words that it is given."""
    (family, words), (address, source, destination, number) = match, packet
    if family != {4: "ip", 6: "ipv6"}[address.version]:
        return False
    for part in words.split("match ")[1:]:
        kind, *values = part.split()
        if kind not in {"ip", "ip6"}:
            continue  # where the ports are to be found
        field, value, *mask = values
        if field == "dst" and address not in ipaddress.ip_network(value):
            return False
        seen = {"protocol": number, "dport": destination, "sport": source}.get(field)
        if seen is not None and seen & int(mask[0], 16) != int(value):
            return False
    return True
