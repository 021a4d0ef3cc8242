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
        rows = [compared(limit_rate, {"rate": "1MiB"})]
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

    return paired(f"{action.__name__}: inject and undo", ours, lambda: by_hand(data), runs=RUNS, goal=GOAL)


def by_hand(data: Data) -> float:
    """Time the commands that change something, without the looks that ours takes before and between them."""
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


if __name__ == "__main__":
    main()
