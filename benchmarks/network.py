"""Shaping faults against the same `tc` commands by hand, in a network namespace; netem's where the kernel has it.

Inject and undo are called as the run and its reaper call them; what the ledger adds to each is in `safety`.
Run it inside `tests/netem/uml/boot` for the faults of netem on a machine whose kernel has none.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from _harness import Row, paired, seconds, table

from chaoslab.network.kernel import has_netem
from chaoslab.network.shaping import SHAPE, corrupt, delay, duplicate, limit_rate, lose, reorder
from chaoslab.runtime.fault import Data, pin_of

NETNS = f"chaoslab-bench-{os.getpid()}"
RUNS = 9
GOAL = 1.5
OTHERS_GOAL = 1.1
TALK = """
import socket, threading, time
listening = socket.create_server(("127.0.0.1", 7777))
def echo():
    line = listening.accept()[0]
    while data := line.recv(9):
        line.send(data)
threading.Thread(target=echo, daemon=True).start()
with socket.create_connection(("127.0.0.1", 7777)) as line:
    begun = time.perf_counter()
    for _ in range(20_000):
        line.send(b"x"); line.recv(9)
    print(time.perf_counter() - begun)
"""
NETEM: tuple[tuple[Callable[..., Any], dict[str, str]], ...] = (
    (delay, {"latency": "200ms", "jitter": "20ms", "distribution": "normal"}),
    (lose, {"share": "10%"}),
    (duplicate, {"share": "10%"}),
    (corrupt, {"share": "10%"}),
    (reorder, {"share": "25%"}),
)


def main() -> None:
    """Print the table."""
    if os.geteuid() != 0:
        sys.exit("network: needs root, for a network namespace of its own")
    with namespace():
        rows = [compared(limit_rate, {"rate": "1MiB"}), compared(limit_rate, {"rate": "1MiB", "direction": "in"})]
        rows += [others(way) for way in ("out", "in")]
        if has_netem():
            rows += [compared(action, arguments) for action, arguments in NETEM]
        else:
            print("this kernel has no netem: run this inside tests/netem/uml/boot for the others", file=sys.stderr)
    print(table(rows))


@contextmanager
def namespace() -> Iterator[None]:
    """Have a network namespace with a loopback of its own."""
    subprocess.run(["ip", "netns", "add", NETNS], check=True)
    try:
        subprocess.run(["ip", "-n", NETNS, "link", "set", "lo", "up"], check=True)
        yield
    finally:
        subprocess.run(["ip", "netns", "del", NETNS], check=True)


def compared(action: Callable[..., Any], arguments: dict[str, str]) -> Row:
    """Compare one fault, put up and taken away, with the same lines by hand."""
    pinned = pin_of(action)(interface="lo", netns=NETNS, ports="5432", **arguments)
    data = pinned.data

    def inject_and_undo() -> None:
        SHAPE.inject(data)
        SHAPE.undo(data)

    def ours() -> float:
        return seconds(inject_and_undo)

    way = f" ({arguments['direction']})" if "direction" in arguments else ""
    return paired(f"{action.__name__}{way}: inject and undo", ours, lambda: by_hand(data), runs=RUNS, goal=GOAL)


def others(direction: str) -> Row:
    """Compare round trips on another port of the same interface, while a fault is on and while none is."""
    data = pin_of(limit_rate)(interface="lo", netns=NETNS, ports="5432", rate="1KiB", direction=direction).data

    def during() -> float:
        SHAPE.inject(data)
        try:
            return round_trips_s()
        finally:
            SHAPE.undo(data)

    what = f"20,000 round trips of others during limit_rate ({direction}) / without"
    return paired(what, during, round_trips_s, runs=RUNS, goal=OTHERS_GOAL)


def round_trips_s() -> float:
    """Return how long 20,000 echoes over the namespace's loopback take, on a port that no fault names."""
    command = ["ip", "netns", "exec", NETNS, sys.executable, "-c", TALK]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def by_hand(data: Data) -> float:
    """Time the commands that change something, without the looks that ours takes before and between them."""
    if "road" in data:
        return seconds(lambda: beside_by_hand(data))
    name, root = data["interface"], data["root"]
    commands = [["-batch", "-"], ["qdisc", "del", "dev", name, "root", "handle", root]]
    if data["drain_s"]:
        commands.insert(1, ["filter", "del", "dev", name, "parent", root])
    lines = "\n".join(data["lines"]) + "\n"

    def work() -> None:
        for words in commands:
            command = ["tc", "-n", NETNS, *words]
            subprocess.run(command, input=lines, text=True, check=True, capture_output=True)

    return seconds(work)


def beside_by_hand(data: Data) -> None:
    """Run what somebody would type who leads packets through a device of his own."""
    name, device = data["interface"], data["road"]["device"]
    hook = f"qdisc {{}} dev {name} clsact"
    batches = (
        ("ip", [f"link add name {device} type ifb", f"link set dev {device} up"]),
        ("tc", [*data["lines"], hook.format("add"), *data["road"]["filters"]]),
        ("tc", [hook.format("del")]),
        ("ip", [f"link del dev {device}"]),
    )
    for program, lines in batches:
        told = "\n".join(lines) + "\n"
        command = [program, "-n", NETNS, "-batch", "-"]
        subprocess.run(command, input=told, text=True, check=True, capture_output=True)


if __name__ == "__main__":
    main()
