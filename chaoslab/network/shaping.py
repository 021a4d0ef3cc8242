"""Faults of the line itself, by the kernel's traffic control: packets leave an interface late, changed or not at all.

Only the chosen packets are: filters lead them into a class of our own, and all others pass as before.

Every action takes, besides its own, the arguments of `Where`: `peers` and `ports` (with `protocol` and `side`) choose
the packets, `direction: in` means those that arrive instead of those that leave, `netns` or `pid` say in whose network
namespace the interface is, and `whole_interface: yes` means all of them. On `lo` requests and answers leave the same
interface: with `side: destination` only the requests are hit.
"""

from typing import Any, Unpack

from chaoslab.network.namespace import Place
from chaoslab.network.shaping_netem import LONGEST_S, delay_words, loss_words, reorder_words, some_words
from chaoslab.network.shaping_pin import Where, Which, pinned, pinned_here
from chaoslab.network.shaping_rate import rate_of
from chaoslab.network.shaping_tree import counters, put, take_away
from chaoslab.runtime.clock import CLOCK
from chaoslab.runtime.fault import Data, Fault, Pinned

_PATIENCE_S = 0.05
"""Between two questions: each one starts a program, which must not slow down those who are to be measured."""


def _inject(data: Data) -> dict[str, Any]:
    put(data)
    return {"interface": data["interface"], "root": data["root"]}


def _has_met_packets(data: Data) -> bool:
    """Say whether the kernel has counted, at our own queue, real packets that the fault hit."""
    found = counters(data)
    if found is None:
        return False
    leaf = found["leaf"]
    met = leaf["packets"] + leaf["qlen"]
    seen = {
        "met": met,
        "passed": leaf["packets"],
        "dropped": leaf["drops"],
        # The root had packets of our class, and no leave to send them yet.
        "held back": found["root"]["overlimits"] if met else 0,
    }
    bites = seen[data["counter"]] >= int(data["at_least"])
    if not bites:
        CLOCK.sleep(_PATIENCE_S)
    return bites


SHAPE = Fault(inject=_inject, effective=_has_met_packets, undo=take_away, effective_within_s=LONGEST_S)


def pinned_delay(
    place: Place,
    interface: str,
    *,
    latency: str,
    jitter: str = "0s",
    correlation: str = "0%",
    distribution: str = "",
    ttl: str = "60s",
    **which: Unpack[Which],
) -> Pinned:
    """Pin a delay on an interface of a place that is known already, such as a container's; arguments as of `delay`."""
    shape = delay_words(latency=latency, jitter=jitter, correlation=correlation, distribution=distribution)
    return pinned(place, interface, shape, ttl=ttl, **which)


@SHAPE.action
def delay(
    interface: str,
    latency: str,
    jitter: str = "0s",
    correlation: str = "0%",
    distribution: str = "",
    ttl: str = "60s",
    **where: Unpack[Where],
) -> Pinned:
    """Delay packets that leave an interface, as distance or a congested line does. Jitter also changes their order.

    Args:
        interface: eth0, lo, ...
        latency: how much later each packet leaves, at most 10s
        jitter: by how much that varies, at most the latency
        correlation: how much each packet's time depends on the one before
        distribution: of the jitter: `uniform` (default), `normal`, `pareto` or `paretonormal`
        ttl: how long the fault may stand without the runner's word
        where: direction, peers, ports, protocol, side; netns or pid; whole_interface

    Blast radius: the chosen packets that leave (or enter) this one interface.
    Undo: our queue is removed; the interface's own is as it was. What was held may leave for a second; TCP sends the
        rest again.
    Effective when: the kernel has counted real packets at our own queue. Without such traffic it did not bite.

    Raises:
        BadUsage: an argument makes no sense.
        Refused: no such interface, another fault shapes it, or we may not change it.
        Missing: no `tc`, or a kernel without netem, or without ifb where that is needed.
    """
    shape = delay_words(latency=latency, jitter=jitter, correlation=correlation, distribution=distribution)
    return pinned_here(interface, shape, ttl, where)


@SHAPE.action
def lose(
    interface: str,
    share: str = "",
    correlation: str = "0%",
    in_a_row: float = 0,
    gemodel: str = "",
    state: str = "",
    ttl: str = "60s",
    **where: Unpack[Where],
) -> Pinned:
    """Lose packets that leave an interface, each by chance or many in a row, as a bad line or a full buffer does.

    Args:
        interface: eth0, lo, ...
        share: of the packets, `10%`
        correlation: how much each loss depends on the one before
        in_a_row: instead of correlation: so many packets are lost in a row on average; the share stays the same
        gemodel: instead of share: Gilbert and Elliot's model, `p, r, 1-h, 1-k` as in tc-netem(8)
        state: instead of share: the model of four states, `p13, p31, p32, p23, p14` as in tc-netem(8)
        ttl: how long the fault may stand without the runner's word
        where: direction, peers, ports, protocol, side; netns or pid; whole_interface

    Blast radius: the chosen packets that leave (or enter) this one interface.
    Undo: our queue is removed; the interface's own is as it was.
    Effective when: the kernel has counted a packet that our own queue dropped. Without such traffic it did not bite.

    Raises:
        BadUsage: an argument makes no sense.
        Refused: no such interface, another fault shapes it, or we may not change it.
        Missing: no `tc`, or a kernel without netem, or without ifb where that is needed.
    """
    shape = loss_words(share=share, correlation=correlation, in_a_row=in_a_row, gemodel=gemodel, state=state)
    return pinned_here(interface, shape, ttl, where)


@SHAPE.action
def duplicate(interface: str, share: str, correlation: str = "0%", ttl: str = "60s", **where: Unpack[Where]) -> Pinned:
    """Send some packets that leave an interface twice, as a loop or a bonded line in trouble does.

    Args:
        interface: eth0, lo, ...
        share: of the packets, `10%`
        correlation: how much each one depends on the one before
        ttl: how long the fault may stand without the runner's word
        where: direction, peers, ports, protocol, side; netns or pid; whole_interface

    Blast radius: the chosen packets that leave (or enter) this one interface.
    Undo: our queue is removed; the interface's own is as it was.
    Effective when: so many real packets passed our own queue that one was surely hit (99.9%), for the kernel does not
        count them; with 10% that takes 66 packets.

    Raises:
        BadUsage: an argument makes no sense.
        Refused: no such interface, another fault shapes it, or we may not change it.
        Missing: no `tc`, or a kernel without netem, or without ifb where that is needed.
    """
    return pinned_here(interface, some_words("duplicate", share=share, correlation=correlation), ttl, where)


@SHAPE.action
def corrupt(interface: str, share: str, correlation: str = "0%", ttl: str = "60s", **where: Unpack[Where]) -> Pinned:
    """Change one bit of some packets that leave an interface, as a bad cable does; checksums find nearly all of them.

    Args:
        interface: eth0, lo, ...
        share: of the packets, `10%`
        correlation: how much each one depends on the one before
        ttl: how long the fault may stand without the runner's word
        where: direction, peers, ports, protocol, side; netns or pid; whole_interface

    Blast radius: the chosen packets that leave (or enter) this one interface; rarely, a change that no checksum finds.
    Undo: our queue is removed; the interface's own is as it was.
    Effective when: so many real packets passed our own queue that one was surely hit (99.9%), for the kernel does not
        count them; with 10% that takes 66 packets.

    Raises:
        BadUsage: an argument makes no sense.
        Refused: no such interface, another fault shapes it, or we may not change it.
        Missing: no `tc`, or a kernel without netem, or without ifb where that is needed.
    """
    return pinned_here(interface, some_words("corrupt", share=share, correlation=correlation), ttl, where)


@SHAPE.action
def reorder(
    interface: str,
    share: str,
    latency: str = "10ms",
    correlation: str = "0%",
    gap: int = 0,
    ttl: str = "60s",
    **where: Unpack[Where],
) -> Pinned:
    """Let some packets overtake the others, which are held for a moment, as several paths to one place do.

    Args:
        interface: eth0, lo, ...
        share: of the packets that leave at once, `25%`
        latency: how long all others are held, at most 10s
        correlation: how much each one depends on the one before
        gap: with 5, only every fifth packet may overtake; 0 and 1: each
        ttl: how long the fault may stand without the runner's word
        where: direction, peers, ports, protocol, side; netns or pid; whole_interface

    Blast radius: the chosen packets that leave (or enter) this one interface; most of them are late by `latency`.
    Undo: our queue is removed; the interface's own is as it was.
    Effective when: so many real packets passed our own queue that one surely overtook (99.9%), for the kernel does not
        count them; with 25% that takes 25 packets.

    Raises:
        BadUsage: an argument makes no sense.
        Refused: no such interface, another fault shapes it, or we may not change it.
        Missing: no `tc`, or a kernel without netem, or without ifb where that is needed.
    """
    shape = reorder_words(share=share, latency=latency, correlation=correlation, gap=gap)
    return pinned_here(interface, shape, ttl, where)


@SHAPE.action
def limit_rate(
    interface: str, rate: str, burst: str = "", queue: str = "400ms", ttl: str = "60s", **where: Unpack[Where]
) -> Pinned:
    """Let the chosen packets together leave an interface no faster than a rate, as a saturated line does.

    This needs HTB only, which kernels without netem have too.

    Args:
        interface: eth0, lo, ...
        rate: size per second, such as `64KiB`
        burst: size that may pass at once after a silence; a twentieth of a second's worth when nothing is said
        queue: how long a packet may wait before further ones are lost: the depth of the line's buffer
        ttl: how long the fault may stand without the runner's word
        where: direction, peers, ports, protocol, side; netns or pid; whole_interface

    Blast radius: the chosen packets that leave (or enter) this one interface.
    Undo: our queue is removed; the interface's own is as it was. What was held may leave for a second; TCP sends the
        rest again.
    Effective when: the kernel has counted that real packets had to wait. Traffic that is slower anyway is not hit.

    Raises:
        BadUsage: an argument makes no sense.
        Refused: no such interface, another fault shapes it, or we may not change it.
        Missing: no `tc`, or a kernel without ifb where that is needed.
    """
    return pinned_here(interface, rate_of(rate=rate, burst=burst, queue=queue), ttl, where)
