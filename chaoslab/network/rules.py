"""The nft rules of a block and of a partition, as text. Pure: nothing is asked, nothing touched."""

from collections.abc import Iterator
from dataclasses import dataclass

from chaoslab.network.matching import Addresses, Ports
from chaoslab.network.nft import chain

HERE = "here"
_VANISH = """chain vanish {
meta mark set TABLE_MARK
ip daddr set 127.0.0.1
ip6 daddr set ::1
}"""
"""A packet dropped on its way out makes `send` fail (EPERM), which no network far away does. It is sent to loopback
instead, and dropped where it arrives: its sender hears nothing."""
_SINK = """chain sink {
type filter hook prerouting priority -350; policy accept;
iif lo meta mark TABLE_MARK drop
}"""
_BOTH = (4, 6)


@dataclass(frozen=True, slots=True)
class Packets:
    """A selection of packets by the port that they are sent to."""

    protocols: tuple[str, ...]
    ports: Ports
    peers: Addresses
    uid: int | None = None
    cgroup: tuple[str, int] = ("", 0)
    """Its path below /sys/fs/cgroup, and its depth."""

    def __str__(self) -> str:
        """Return the selection for people: `tcp port 5432 to 10.0.0.5`."""
        told = f"{'/'.join(self.protocols)} port {self.ports}"
        told += f" of {self.peers}" if self.peers.networks else ""
        told += f" by user {self.uid}" if self.uid is not None else ""
        return told + (f" by cgroup {self.cgroup[0]}" if self.cgroup[0] else "")


def block_chains(packets: Packets, direction: str, how: str) -> list[str]:
    """Return the chains that block packets.

    Args:
        packets: which
        direction: `out`, `in` or `both`
        how: `drop` or `reject`
    """
    chains: list[str] = []
    if direction in {"out", "both"}:
        if how == "drop":
            chains += [
                _VANISH,
                chain("leaving", "output", list(_blocks(packets, "daddr", "jump vanish")), kind="route"),
            ]
            chains.append(_SINK)
        else:
            chains.append(chain("leaving", "output", list(_rejects(packets, "daddr"))))
    if direction in {"in", "both"}:
        arriving = _blocks(packets, "saddr", "drop") if how == "drop" else _rejects(packets, "saddr")
        chains.append(chain("arriving", "input", list(arriving)))
    return chains


def partition_chains(
    left: Addresses, right: Addresses, ports: Ports, *, protocols: tuple[str, ...], one_way: bool
) -> list[str]:
    """Return the chains that part two sides.

    What is sent here is met when it leaves, what comes from elsewhere when it arrives, to stay or to pass through. A
    side without networks is the place itself: only what is sent or stays here is meant then.
    """
    ways = [(left, right)] if one_way else [(left, right), (right, left)]
    leaving = [rule for one, other in ways if other.networks for rule in _parts(one, other, ports, protocols)]
    arriving = [rule for one, other in ways if one.networks for rule in _parts(one, other, ports, protocols)]
    chains = [_SINK]
    if leaving:
        rules = [f"{rule} counter jump vanish" for rule in leaving]
        chains += [_VANISH, chain("leaving", "output", rules, kind="route")]
    if arriving:
        hook = "prerouting" if left.networks and right.networks else "input"
        chains.append(chain("arriving", hook, [f"{rule} counter drop" for rule in arriving]))
    return chains


def _blocks(packets: Packets, side: str, verdict: str) -> Iterator[str]:
    for match in _matches(packets, side, packets.protocols):
        yield f"{match} counter {verdict}"


def _rejects(packets: Packets, side: str) -> Iterator[str]:
    for protocol in packets.protocols:
        for match in _matches(packets, side, (protocol,)):
            yield f"{match} counter reject{' with tcp reset' if protocol == 'tcp' else ''}"


def _matches(packets: Packets, side: str, protocols: tuple[str, ...]) -> Iterator[str]:
    """Yield a match for each IP version that is meant; `side` is where the peer's address stands."""
    base = [f"meta l4proto {{ {', '.join(protocols)} }} th dport {{ {packets.ports} }}"]
    if packets.uid is not None:
        base.append(f"meta skuid {packets.uid}")
    path, depth = packets.cgroup
    if path:
        base.append(f'socket cgroupv2 level {depth} "{path}"')
    for text in _one(packets.peers, side):
        yield " ".join([*base, *text])


def _one(selection: Addresses, side: str) -> Iterator[list[str]]:
    if not selection.networks:
        yield []
    for version in _BOTH:
        if texts := selection.of(version):
            yield [f"{'ip' if version == 4 else 'ip6'} {side} {texts}"]


def _parts(sender: Addresses, receiver: Addresses, ports: Ports, protocols: tuple[str, ...]) -> Iterator[str]:
    sides = ("dport", "sport") if ports.ranges else ("",)
    l4 = f"meta l4proto {{ {', '.join(protocols)} }}"
    for version in _BOTH:
        family = "ip" if version == 4 else "ip6"
        words = [(sender, "saddr"), (receiver, "daddr")]
        if any(side.networks and not side.of(version) for side, _ in words):
            continue
        match = " ".join(f"{family} {field} {side.of(version)}" for side, field in words if side.networks)
        for port in sides:
            yield f"{match} {l4} th {port} {{ {ports} }}" if port else match
