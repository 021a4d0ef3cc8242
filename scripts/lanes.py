"""Run the lanes of the test suite that this machine can run, and say at the end which ran, which could not, and why."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from pathlib import Path

from chaoslab.core.errors import ChaoslabError
from chaoslab.postgres.programs.binaries import find_binaries

ROOT = Path(__file__).resolve().parent.parent
PYTEST_RAN = (0, 1)
FEW = 3
NOTHING_COLLECTED = 5
AT_ONCE = int(os.environ.get("CHAOSLAB_LANES_AT_ONCE", "2"))


@dataclass(frozen=True, slots=True)
class Lane:
    """One folder of tests; without a server, a lane that can do without leaves out its tests marked `postgres`."""

    name: str
    about: str
    needs_postgres: bool = False
    programs: tuple[str, ...] = ()
    """What must be on the path; `scripts/install --tests` sees to it."""
    machine: bool = False
    """Changes or compares what a machine has once only (rules, qdiscs, control groups): one such lane at a time."""
    strict: bool = False
    """A failure here can have nothing to do with the lane that ran beside it."""


LANES = (
    Lane("unit", "pure logic", strict=True),
    Lane("property", "what must hold for every input", strict=True),
    Lane("engine", "what we rely on in Chaos Toolkit", strict=True),
    Lane("contract", "what every fault must keep"),
    Lane("netem", "late, lost and changed packets", programs=("ip", "tc", "linux.uml"), machine=True),
    Lane(
        "netns",
        "network namespaces and their firewalls",
        programs=("ip", "nft", "iptables-legacy", "dig", "dnsmasq"),
        machine=True,
    ),
    Lane("catalog", "every catalog file, and the wheel"),
    Lane("integration", "against a real server", needs_postgres=True),
    Lane("sabotage", "drills that must come out failed", needs_postgres=True),
    Lane("fleet", "many databases at once", needs_postgres=True),
    Lane("pitr", "recovery to a point in time", needs_postgres=True, programs=("pgbackrest", "barman")),
    Lane("corruption", "damaged pages, WAL and backups", needs_postgres=True),
    Lane("backup", "taking, keeping and ageing backups", needs_postgres=True, programs=("radosgw", "ceph-mon")),
    Lane("datastores", "faults of real data stores", needs_postgres=True, programs=("redis-server", "java", "mvn")),
    Lane(
        "resource",
        "processor, memory, disks, descriptors and clocks",
        programs=("faketime", "perl", "mkfs.ext4"),
        machine=True,
    ),
    Lane(
        "docker",
        "containers of a real daemon",
        programs=("dockerd", "podman", "debootstrap", "linux.uml", "openssl", "sshd", "ssh"),
        machine=True,
    ),
    Lane("twins", "services that an experiment must find out", needs_postgres=True, programs=("redis-server",)),
    Lane(
        "torture",
        "runners that die at random instants, and what is left of them",
        programs=("tc", "nft", "ip"),
        machine=True,
        strict=True,
    ),
    Lane("e2e", "as a person types it", needs_postgres=True),
)


@dataclass(slots=True)
class Result:
    """What became of one lane: counts and seconds when it ran, else the reason why it did not."""

    lane: Lane
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    duration_s: float = 0.0
    not_run: str = ""
    broken: str = ""
    failures: list[str] = field(default_factory=list)
    unsteady: list[str] = field(default_factory=list)
    """Failed beside another lane, and passed when asked once more alone."""

    @property
    def outcome(self) -> str:
        """Return the word for the table."""
        if self.not_run:
            return "not run"
        return "FAILED" if self.failed or self.broken else "passed"


def main() -> int:
    """Run the lanes named on the command line, or all; return the exit status."""
    lanes, pytest_arguments = chosen(sys.argv[1:])
    no_postgres = why_no_postgres()
    print_before(lanes, no_postgres)
    started = time.monotonic()
    results = Lanes(lanes, no_postgres, pytest_arguments).run()
    print_after(results, time.monotonic() - started)
    # Elsewhere a lane that cannot run is told; in continuous integration it would be a hole that nobody sees.
    holes = os.environ.get("CI") == "true" and any(result.not_run for result in results)
    return 1 if holes or any(result.outcome == "FAILED" for result in results) else 0


def chosen(arguments: list[str]) -> tuple[list[Lane], list[str]]:
    """Split `lane... -- pytest arguments`."""
    cut = arguments.index("--") if "--" in arguments else len(arguments)
    parser = argparse.ArgumentParser(prog="scripts/test", description=__doc__, epilog="What follows -- goes to pytest.")
    parser.add_argument("lanes", nargs="*", metavar="lane", help=", ".join(lane.name for lane in LANES))
    names = parser.parse_args(arguments[:cut]).lanes
    unknown = sorted(set(names) - {lane.name for lane in LANES})
    if unknown:
        parser.error(f"no lane {', '.join(unknown)}; there are {', '.join(lane.name for lane in LANES)}")
    return [lane for lane in LANES if not names or lane.name in names], arguments[cut + 1 :]


def why_no_postgres() -> str:
    """Return the empty string when server programs are found, else what is missing."""
    try:
        find_binaries()
    except ChaoslabError as missing:
        return str(missing)
    return ""


def why_not(lane: Lane, no_postgres: str) -> str:
    """Return the empty string when this machine can run the lane, else the reason."""
    if not any((ROOT / "tests" / lane.name).rglob("test_*.py")):
        return f"no tests in tests/{lane.name}"
    absent = [program for program in lane.programs if shutil.which(program) is None]
    if absent:
        return f"no {', '.join(absent)}; as root on Debian, `scripts/install --tests` installs it"
    return no_postgres if lane.needs_postgres else ""


def print_before(lanes: list[Lane], no_postgres: str) -> None:
    """Say which lanes will run, before any does."""
    for lane in lanes:
        reason = why_not(lane, no_postgres)
        partly = " (without its tests that need a server)" if no_postgres and not reason else ""
        print(f"{lane.name:<12} {lane.about + partly if not reason else 'cannot run here: ' + reason}")
    print(flush=True)


class Lanes:
    """Lanes being run, two at a time: most of them wait more than they work."""

    def __init__(self, lanes: list[Lane], no_postgres: str, pytest_arguments: list[str]) -> None:
        """Take what is to be run."""
        self._waiting = list(lanes)
        self._results = {lane.name: Result(lane, not_run=why_not(lane, no_postgres)) for lane in lanes}
        self._arguments = [*(["-m", "not postgres"] if no_postgres else []), *pytest_arguments]
        self._at_once = min(AT_ONCE, len(lanes), os.cpu_count() or 1)
        self._turn = threading.Condition()
        self._machine = False

    def run(self) -> list[Result]:
        """Run them all, and return what became of each, in their order."""
        workers = [threading.Thread(target=self._work, daemon=True) for _ in range(self._at_once)]
        with tempfile.TemporaryDirectory() as caches:
            self._caches = Path(caches)
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
            if self._at_once > 1:
                self._ask_again()
        return list(self._results.values())

    def _ask_again(self) -> None:
        """Run a few failed tests once more, alone: two cores for two lanes make a test wait that measures time.

        What passes now is told as unsteady. Many failures, or one in a strict lane, are no matter of the machine.
        """
        failed = [result for result in self._results.values() if result.failed]
        if sum(result.failed for result in failed) > FEW:
            return
        for result in failed:
            if not result.lane.strict and not result.broken:
                again = Result(result.lane)
                self._one(again, "--last-failed", "--last-failed-no-failures=none")
                if again.outcome == "passed" and again.passed == result.failed:
                    result.unsteady, result.failures = result.failures, []
                    result.passed, result.failed = result.passed + again.passed, 0

    def _work(self) -> None:
        while (lane := self._next()) is not None:
            result = self._results[lane.name]
            try:
                self._one(result)
            except Exception as error:  # a lane of which nobody knows what came has not passed
                result.broken = f"{type(error).__name__}: {error}"
            finally:
                with self._turn:
                    self._machine = self._machine and not lane.machine
                    self._turn.notify_all()

    def _next(self) -> Lane | None:
        """Return the first lane that may run now; those that need the machine for themselves wait for each other."""
        with self._turn:
            while self._waiting:
                lane = next((one for one in self._waiting if not (one.machine and self._machine)), None)
                if lane is not None:
                    self._waiting.remove(lane)
                    self._machine = self._machine or lane.machine
                    return lane
                self._turn.wait()
            return None

    def _one(self, result: Result, *selection: str) -> None:
        """Run one lane with pytest, read its counts from the JUnit file, and show what it printed when it is done."""
        if result.not_run:
            return
        started = time.monotonic()
        print(f"-- {result.lane.name}{' once more' if selection else ''}", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            junit, log = Path(folder, "junit.xml"), Path(folder, "log")
            # A module that cannot be imported is a failure, and no reason to leave the rest of the lane out.
            command = [sys.executable, "-m", "pytest", "-q", "--continue-on-collection-errors", f"--junit-xml={junit}"]
            command += [f"--override-ini=cache_dir={self._caches / result.lane.name}", *selection]
            command += [*self._arguments, f"tests/{result.lane.name}"]
            with log.open("wb") as output:
                shown = None if self._at_once == 1 else output
                status = subprocess.run(command, cwd=ROOT, stdout=shown, stderr=shown, check=False).returncode
            result.duration_s = time.monotonic() - started
            said = log.read_text(errors="replace")
            if said:
                with self._turn:
                    print(f"== {result.lane.name}\n{said}", end="", flush=True)
            if junit.exists():
                count(result, ET.parse(junit).getroot())
        if status == NOTHING_COLLECTED:
            result.not_run = "no test was selected"
        elif status not in PYTEST_RAN or (status == 0) != (result.failed == 0):
            result.broken = f"pytest exited with {status}"
        elif not result.passed + result.failed + result.skipped:
            result.broken = "no test was counted"


def count(result: Result, root: ET.Element) -> None:
    """Add up the cases of a JUnit file; an error in a fixture counts as a failure."""
    for case in root.iter("testcase"):
        kinds = {child.tag for child in case}
        if kinds & {"failure", "error"}:
            result.failed += 1
            result.failures.append(f"{case.get('classname')}::{case.get('name')}")
        elif "skipped" in kinds:
            result.skipped += 1
        else:
            result.passed += 1


def print_after(results: list[Result], took_s: float) -> None:
    """Print the table, the failures once more, and the counts as the last line."""
    print(f"\n{'lane':<12} {'result':<8} {'passed':>7} {'failed':>7} {'skipped':>8} {'seconds':>8}")
    for result in results:
        counts = f"{result.passed:>7} {result.failed:>7} {result.skipped:>8} {result.duration_s:>8.1f}"
        print(f"{result.lane.name:<12} {result.outcome:<8} {result.not_run or counts} {result.broken}".rstrip())
    for failure in (failure for result in results for failure in result.failures):
        print(f"failed: {failure}")
    for name in (name for result in results for name in result.unsteady):
        print(f"unsteady, passed when it ran alone: {name}")
    failed = sum(result.failed + (bool(result.broken) and not result.failed) for result in results)
    passed, skipped = sum(result.passed for result in results), sum(result.skipped for result in results)
    print(f"{took_s:.0f} s in all")
    print(f"{passed} passed, {failed} failed, {skipped} skipped", flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
