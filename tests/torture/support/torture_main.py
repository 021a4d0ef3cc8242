"""Break what breaks things: random faults whose runner dies at random instants, and afterwards nothing may be left.

Every run is chosen by the seed and its number alone, so each failure comes with the command that brings it again.
"""

import argparse
import contextlib
import os
import random
import shutil
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from torture_daemon import Daemon
from torture_death import memory_cgroup
from torture_machine import Machine, adopt_orphans, enter_namespaces, outside
from torture_plan import WAYS, plan_of
from torture_registry import EVERY, SABOTAGE
from torture_run import Tortured
from torture_victims import alive


def arguments_of(words):
    parser = argparse.ArgumentParser(prog="scripts/torture", description=__doc__)
    known = [kind.name for kind in (*EVERY, *SABOTAGE)]
    parser.add_argument("--runs", type=int, default=100, help="how many (100)")
    parser.add_argument("--minutes", type=float, default=0.0, help="stop after so long; 0 runs them all")
    parser.add_argument("--seed", type=int, help="what all chance comes from; printed when it is not given")
    parser.add_argument("--only", type=int, metavar="RUN", help="just the run with this number")
    parser.add_argument("--faults", default="", metavar="NAME,...", help=f"only these: {', '.join(known)}")
    parser.add_argument("--ways", default="", metavar="WAY,...", help=f"only these ways to die: {', '.join(WAYS)}")
    parser.add_argument("--patience", type=float, default=45.0, help="seconds in which all must have ended (45)")
    parser.add_argument("--keep", action="store_true", help="keep the folder of every run, not only of those that fail")
    asked = parser.parse_args(words)
    asked.faults = [name for name in asked.faults.split(",") if name]
    asked.ways = tuple(way for way in asked.ways.split(",") if way) or WAYS
    if unknown := {*asked.faults} - {*known} | {*asked.ways} - {*WAYS}:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    return asked


class Rack:
    """The victims, kept alive over the runs: a target is made anew when it has died."""

    def __init__(self, folder, kinds):
        self.folder, self.kinds = folder, {kind.name: kind for kind in kinds}
        self._living = {}

    def victims(self, names):
        """Return a live target of each fault."""
        return [self._victim(name) for name in names]

    def _victim(self, name):
        found = self._living.get(name)
        if found is None or not found.is_alive():
            if found is not None:
                found.stop()
            found = self._living[name] = self.kinds[name](self.folder / name)
        return alive(found)

    def pids(self):
        """Return all processes of the victims."""
        return [pid for victim in self._living.values() for pid in victim.pids()]

    def renew(self, names):
        """Give up targets that a failed run may have left broken."""
        for name in names:
            if (victim := self._living.pop(name, None)) is not None:
                victim.stop()
                shutil.rmtree(self.folder / name, ignore_errors=True)

    def clear(self):
        """Take all targets away."""
        self.renew(list(self._living))


def possible(asked):
    """Return the faults that this machine can have, and say which it cannot."""
    kinds = [kind for kind in (*EVERY, *SABOTAGE) if kind.name in asked.faults] if asked.faults else EVERY
    for kind in kinds:
        if why := kind.why_not():
            print(f"left out: {kind.name}: {why}")
    return [kind for kind in kinds if not kind.why_not()]


def again(result, asked):
    """Return the command that brings one run again."""
    words = ["scripts/torture", "--seed", str(result.plan.seed), "--only", str(result.plan.number)]
    words += ["--faults", ",".join(asked.faults)] if asked.faults else []
    words += ["--ways", ",".join(asked.ways)] if asked.ways != WAYS else []
    return " ".join(words)


def tell(result, asked, folder):
    """Say what is wrong after a run, and how to see it again."""
    print(f"\nrun {result.plan.number} FAILED: {result.plan.told()}; ended with {result.ended}")
    for problem in result.problems:
        print(f"    {problem}")
    print(f"    again: {again(result, asked)}   kept: {folder}", flush=True)


def table(results):
    """Return counts by fault and way of dying."""
    ways = sorted({result.plan.way for result in results})
    faults = sorted({name for result in results for name in result.plan.faults})
    counts = Counter((name, result.plan.way) for result in results for name in result.plan.faults)
    lines = ["| fault | " + " | ".join(ways) + " | all |", "|---|" + "---|" * (len(ways) + 1)]
    for name in faults:
        cells = [counts[name, way] for way in ways]
        lines.append(f"| {name} | " + " | ".join(map(str, cells)) + f" | {sum(cells)} |")
    return "\n".join(lines)


def summary(results, took_s):
    """Return what was done and what came of it."""
    failed = [result for result in results if result.problems]
    healed = sorted(result.healed_s for result in results)
    ends = Counter(str(result.ended) for result in results)
    lines = [table(results), ""]
    lines.append("ended with: " + ", ".join(f"{code} {count}x" for code, count in ends.most_common()))
    by_hand = sum("undone by hand" in result.notes for result in results)
    more = {
        "a fault bit": sum("bit" in result.notes for result in results),
        "target died": sum(result.plan.target_dies_s >= 0 for result in results),
        "two at once": sum(result.plan.second_after_s >= 0 for result in results),
        "reaper killed": sum(result.plan.reaper_dies_s >= 0 for result in results),
        "undone by hand after it": by_hand,
    }
    lines.append(", ".join(f"{what}: {count}" for what, count in more.items()))
    p99 = healed[min(len(healed) - 1, int(len(healed) * 0.99))]
    lines.append(
        f"from the runner's death until nothing of it runs: median {statistics.median(healed):.3f} s, "
        f"p99 {p99:.3f} s, longest {healed[-1]:.3f} s"
    )
    lines.append(f"{len(results)} runs in {took_s:.0f} s, {len(failed)} left something or went wrong")
    return "\n".join(lines)


def one(number, asked, rack, machine, base, cgroup):
    """Do one run and tell its failure."""
    plan = plan_of(asked.seed, number, faults=list(rack.kinds), ways=asked.ways)
    folder = base / f"run-{number}"
    victims = rack.victims(plan.faults)
    result = Tortured(plan, folder, machine=machine, victims=victims, cgroup=cgroup, patience_s=asked.patience).go()
    if result.problems:
        tell(result, asked, folder)
        rack.renew(plan.faults)
    elif not asked.keep:
        shutil.rmtree(folder)
    return result


def main(words=None):
    asked = arguments_of(sys.argv[1:] if words is None else words)
    asked.seed = random.SystemRandom().randrange(1 << 32) if asked.seed is None else asked.seed
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)  # what is started in the background ignores some, and its children would
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    adopt_orphans()
    why_not_alone = enter_namespaces()
    print(f"seed {asked.seed}" + (f"; {why_not_alone}: networks and mounts are not compared" if why_not_alone else ""))
    base = Path(tempfile.mkdtemp(prefix="chaoslab-torture-"))
    base.chmod(0o711)
    kinds = possible(asked)
    if not kinds:
        return 2
    rack = Rack(base / "victims", kinds)
    machine = Machine(alone=not why_not_alone, spared=rack.pids, base=base)
    cgroup = memory_cgroup(f"torture-{os.getpid()}")
    numbers = [asked.only] if asked.only is not None else range(1, asked.runs + 1)
    began, results = time.monotonic(), []
    try:
        for number in numbers:
            results.append(one(number, asked, rack, machine, base, cgroup))
            if asked.minutes and time.monotonic() - began > asked.minutes * 60:
                break
    except (KeyboardInterrupt, SystemExit):
        print(f"stopped after {len(results)} runs")
    finally:
        rack.clear()
        Daemon.stop(outside)
        if cgroup:
            os.rmdir(cgroup)
        with contextlib.suppress(OSError):
            (base / "victims").rmdir()
            base.rmdir()
    if results:
        print(f"\n{summary(results, time.monotonic() - began)}")
    return 1 if any(result.problems for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
