"""How late a time-to-live is met: from the instant it is over to the fault being gone, by the reaper alone."""

import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from _harness import Row, table
from safety import make_file

from chaoslab.runtime.clock import CLOCK
from chaoslab.runtime.ledger import ledgers
from chaoslab.runtime.session import Session

RUNS = int(os.environ.get("CHAOSLAB_BENCH_RUNS", "40"))
TTL_S = 0.6
POLL_S = 0.0005
GOAL_S = 0.1
BURN = "while True: pass"


def lateness_s(folder: Path) -> float:
    """Return how long after its time-to-live a fault was gone; its runner stands still meanwhile."""
    path = folder / "fault"
    command = [sys.executable, __file__, str(folder), str(path)]
    runner = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert runner.stdout is not None
    try:
        due_mono_s = float(runner.stdout.readline())
        runner.send_signal(signal.SIGSTOP)
        while path.exists():
            if CLOCK.mono() > due_mono_s + 30:
                raise TimeoutError("the reaper did not undo it within 30 s")
            time.sleep(POLL_S)
        return max(0.0, CLOCK.mono() - due_mono_s)
    finally:
        runner.kill()
        runner.wait()
        runner.stdout.close()
        while list((folder / "state" / "ledger").iterdir()):
            time.sleep(POLL_S)  # the reaper's last act is to remove the ledger


def run(folder: Path, path: str) -> None:
    """Strike, tell when the time-to-live is over, and wait."""
    session = Session("ttl", folder / "run", state=folder / "state")
    session.start({"id": "ttl"})
    make_file(path, ttl_s=TTL_S)
    [ledger] = ledgers(folder / "state")
    assert not isinstance(ledger, OSError)
    [entry] = ledger.open_entries()
    print(entry.expires_mono_s, flush=True)
    time.sleep(60)


@contextmanager
def load(processes: int) -> Iterator[None]:
    """Keep processors busy."""
    burning = [subprocess.Popen([sys.executable, "-c", BURN]) for _ in range(processes)]
    try:
        yield
    finally:
        for process in burning:
            process.kill()
            process.wait()


def rows(what: str) -> list[Row]:
    """Measure many times; return the median and the worst."""
    taken_s = []
    for _ in range(RUNS):
        with tempfile.TemporaryDirectory() as folder:
            taken_s.append(lateness_s(Path(folder)))
    middle, worst = statistics.median(taken_s), max(taken_s)
    return [
        Row(f"{what}: median of {RUNS}", f"{middle:.4f} s", "", middle, "s", GOAL_S),
        Row(f"{what}: worst", f"{worst:.4f} s", "", worst, "s", GOAL_S),
    ]


def main() -> None:
    """Print the table."""
    idle = rows("time-to-live over to undone")
    with load(2 * (os.cpu_count() or 1)):
        busy = rows("the same, two busy processes a core")
    print(table([*idle, *busy]))


if __name__ == "__main__":
    run(Path(sys.argv[1]), sys.argv[2]) if len(sys.argv) > 1 else main()
