"""Faults of the firewall against the same `nft` commands by hand, in a network namespace and on this host.

On this host the rules name an address that nobody has, for the time of the measurement.
Inject and undo are called as the run and its reaper call them; what the ledger adds to each is in `safety`.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from _harness import Row, paired, seconds, table

from chaoslab.network.firewall import BLOCK, block_port, partition
from chaoslab.runtime.fault import Data, pin_of

NETNS = f"chaoslab-bench-{os.getpid()}"
IN_IT = ["ip", "netns", "exec", NETNS]
RUNS = 41
GOAL = 1.5
FAULTS: tuple[tuple[Callable[..., Any], dict[str, str]], ...] = (
    (block_port, {"port": "5432"}),
    (block_port, {"port": "5432", "how": "reject", "direction": "both"}),
    (partition, {"left": "10.0.0.0/24", "right": "10.0.1.0/24, fd00::/64"}),
)


def main() -> None:
    """Print the table."""
    if os.geteuid() != 0:
        sys.exit("firewall: needs root, for a network namespace of its own")
    subprocess.run(["ip", "netns", "add", NETNS], check=True)
    try:
        rows = [compared(action, {**arguments, "netns": NETNS}, way=IN_IT) for action, arguments in FAULTS]
        rows.append(compared(block_port, {"port": "5432", "peers": "192.0.2.1"}, way=[]))
    finally:
        subprocess.run(["ip", "netns", "del", NETNS], check=True)
    print(table(rows))


def compared(action: Callable[..., Any], arguments: dict[str, str], *, way: list[str]) -> Row:
    """Compare one fault, put up and taken away, with the same rules by hand; `way` leads to where they stand."""
    pinned = pin_of(action)(**arguments)
    data = pinned.data

    def inject_and_undo() -> None:
        BLOCK.inject(data)
        BLOCK.undo(data)

    def ours() -> float:
        return seconds(inject_and_undo)

    where = "host" if not way else "namespace"
    what = f"{pinned.target.partition(' in ')[0]}, {where}"
    return paired(what, ours, lambda: by_hand(data, way), runs=RUNS, goal=GOAL)


def by_hand(data: Data, way: list[str]) -> float:
    """Time the commands that somebody would type."""

    def work() -> None:
        for rules in (data["ruleset"], f"delete table inet {data['table']}\n"):
            subprocess.run([*way, "nft", "-f", "-"], input=rules, text=True, check=True, capture_output=True)

    return seconds(work)


if __name__ == "__main__":
    main()
