"""What safety costs and how fast it acts: ledger and run log for each fault, and from a signal to *undone*."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from _harness import alone, seconds, table

from chaoslab.runtime.fault import Data, Fault, Pinned
from chaoslab.runtime.session import Session

FAULTS, KILLS = 200, 9
POLL_S = 0.001


def _make(data: Data) -> None:
    Path(data["path"]).touch()


def _is_there(data: Data) -> bool:
    return Path(data["path"]).exists()


def _remove(data: Data) -> None:
    Path(data["path"]).unlink(missing_ok=True)


FILE = Fault(inject=_make, effective=_is_there, undo=_remove)


@FILE.action
def make_file(path: str, ttl_s: float = 60.0) -> Pinned:
    """Make a file: about the cheapest fault there is."""
    return Pinned(path, {"path": path}, ttl_s=ttl_s)


def fault_costs_s(folder: Path) -> list[float]:
    """Return how long each of many faults takes to inject and undo, less the bare file operations."""
    session = Session("cost", folder / "run", state=folder / "state")
    session.start({"id": "cost"})
    path = str(folder / "fault")
    make_file(path)  # the first one starts the reaper
    session.undo()

    def strike_and_undo() -> None:
        make_file(path)
        session.undo()

    costs = [seconds(strike_and_undo) for _ in range(FAULTS)]
    session.close("completed")
    return costs


def time_to_undone_s(folder: Path, number: signal.Signals) -> float:
    """Return how long after a signal to a run its fault is gone."""
    experiment, path = folder / "kill.yaml", folder / "fault"
    experiment.write_text(EXPERIMENT.format(path=path))
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent), "XDG_STATE_HOME": str(folder)}
    runner = subprocess.Popen(
        [Path(sys.executable).parent / "chaoslab", "run", experiment],
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _until(path.exists)
    time.sleep(0.2)
    begun = time.perf_counter()
    runner.send_signal(number)
    _until(lambda: not path.exists())
    undone_s = time.perf_counter() - begun
    runner.wait()
    return undone_s


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.perf_counter() + 20
    while not condition():
        if time.perf_counter() > deadline:
            raise TimeoutError("the fault did not come or go within 20 s")
        time.sleep(POLL_S)


EXPERIMENT = """\
title: A file appears
description: Wait to be killed.
method:
  - type: action
    name: make-file
    provider: {{type: python, module: safety, func: make_file, arguments: {{path: "{path}"}}}}
  - type: action
    name: wait
    provider: {{type: python, module: chaoslab.runtime.actions, func: wait, arguments: {{duration: 60s}}}}
"""


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = [alone("ledger and run log of one fault, fsynced", fault_costs_s(folder), goal=0.005)]
        for number, goal in ((signal.SIGTERM, 0.2), (signal.SIGKILL, 1.0)):
            taken_s = [time_to_undone_s(folder, number) for _ in range(KILLS)]
            rows.append(alone(f"{number.name} to undone", taken_s, goal=goal))
    print(table(rows))


if __name__ == "__main__":
    main()
