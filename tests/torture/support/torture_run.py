"""One run: a plan carried out, and everything that is wrong afterwards."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import namedtuple
from pathlib import Path

from torture_death import Runner
from torture_machine import children, told_of, until_same
from torture_plan import experiment

from chaoslab.core.errors import ChaoslabError
from chaoslab.core.record import record_of
from chaoslab.runtime.residue import open_runs
from chaoslab.runtime.runlog import read_events

ENDS_WITHIN_S = 90.0
VERDICTS = {0, 10, 11, 12}
"""However it was disturbed, a run may have come to its end before, or have been refused."""
MAY_END = {
    "sigkill": {-9},
    "sigterm": {143, -15},
    "sigint": {130, -2, 1},
    "sighup": {129, -1},
    "sigquit": {-3},
    "oom": {-9, 1, 2},
    "memory": {1, 2, 137, -6, -9},
    "full": {13},
    "both": {-9},
    "terminal": {129, -1},
    "ctrl-c": {130, -2, 1},
    "flurry": {143, 130, 129, -9, -15, -2, -1},
    "kill-undo": {143, -9, -15},
    "stopped": {-9},
    "reader-gone": {141},
}
Result = namedtuple("Result", "plan problems ended took_s healed_s notes")


class Tortured:
    """Carries one plan out."""

    def __init__(self, plan, folder, *, machine, victims, cgroup="", patience_s=45.0):
        """Take the plan, where to work, what to look at, and how long to wait: a reaper tries again for 18 seconds."""
        self.patience_s = patience_s
        self.plan, self.folder, self.machine = plan, folder, machine
        self.victims, self.cgroup = victims, cgroup
        self.state = folder / "state" / "chaoslab"
        self.problems, self.notes = [], []
        self.struck_by_us = set()
        self.adopted = {}
        self._runners = []
        support = Path(__file__).parent
        unit = support.parents[1] / "unit" / "support"
        self.environment = os.environ | {
            "XDG_STATE_HOME": str(folder / "state"),
            "PYTHONPATH": os.pathsep.join([str(support), str(unit), str(support.parents[2])]),
            "NO_COLOR": "1",
            "TMPDIR": str(folder / "tmp"),
        }

    def go(self):
        """Run, disturb, wait, and compare; return what came of it."""
        (self.folder / "tmp").mkdir(parents=True)
        (self.folder / "run.json").write_text(json.dumps(experiment(self.plan, self.victims)))
        small = self._small_disk() if self.plan.way == "full" else contextlib.nullcontext()
        with small:
            return self._go()

    @contextlib.contextmanager
    def _small_disk(self):
        """Have the state folder on a small disk of its own; without namespaces of our own it stays where it is."""
        place = self.folder / "state"
        place.mkdir()
        if not self.machine.alone:
            yield
            return
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", place], check=True, timeout=20)
        try:
            yield
        finally:
            subprocess.run(["umount", "--lazy", place], check=True, timeout=20)

    def _go(self):
        before = self.machine.look(self.victims)
        began = time.monotonic()
        ended = self._disturb()
        dead = time.monotonic()
        self._settle()
        healed_s = time.monotonic() - dead
        if (filler := self.folder / "state" / "filler").exists():
            self._compare(before)  # a fault ends also where that cannot be noted
            filler.unlink()
            self.notes.append("disk full")
        self._undo_what_is_left()
        self._compare(before)
        self._read_traces()
        return Result(self.plan, self.problems, ended, dead - began, healed_s, self.notes)

    def _disturb(self):
        """Have it run and die; return how the first run ended."""
        plan, lines = self.plan, []
        first = self._runner(undisturbed=False)
        if plan.reaper_dies_s >= 0:
            lines.append(threading.Thread(target=self._kill_reaper, args=(first, plan.reaper_dies_s)))
        if plan.target_dies_s >= 0:
            lines.append(threading.Timer(plan.target_dies_s, self.victims[0].die))
        if plan.second_after_s >= 0:
            lines.append(threading.Timer(plan.second_after_s, self._runner, kwargs={"undisturbed": True}))
        for line in lines:
            line.start()
        first.torment()
        code = first.ended(ENDS_WITHIN_S)
        for line in lines:
            line.join()
        self._judge_end("run", code, MAY_END.get(plan.way, set()) | VERDICTS)
        for second in self._runners[1:]:
            self._judge_end("second run", second.ended(ENDS_WITHIN_S), VERDICTS)
        return code

    def _runner(self, *, undisturbed):
        runner = Runner(
            self.plan, self.folder, environment=self.environment, cgroup=self.cgroup, undisturbed=undisturbed
        )
        self._runners.append(runner)
        return runner

    def _judge_end(self, who, code, allowed):
        if code is None:
            self.problems.append(f"the {who} did not end within {ENDS_WITHIN_S:g} s")
        elif code not in allowed:
            self.problems.append(f"the {who} ended with {code}: {self._complaint()}")

    def _complaint(self):
        texts = [runner.stderr.read_text(errors="replace") for runner in self._runners]
        return " | ".join(line for text in texts for line in text.strip().splitlines()[-3:])

    def _kill_reaper(self, runner, after_s):
        """Kill the reaper some time after it was first seen."""
        while runner.process.poll() is None:
            for pid in children(runner.process.pid):
                if "chaoslab.runtime.reaper" in told_of(pid):
                    time.sleep(after_s)
                    self._kill(pid)
                    return
            time.sleep(0.005)

    def _kill(self, pid):
        with contextlib.suppress(ProcessLookupError):
            if "chaoslab.runtime.reaper" in told_of(pid):
                os.kill(pid, signal.SIGKILL)
                self.struck_by_us.add(pid)

    def _settle(self):
        """Wait until nothing runs any more that the run has started."""
        deadline = time.monotonic() + self.patience_s
        while self.machine.processes():
            self._bury()
            if time.monotonic() > deadline:
                return
            time.sleep(0.01)
        self._bury()

    def _bury(self):
        """Take the exit status of the orphans that we have inherited."""
        known = {pid for victim in self.victims for pid in victim.pids()}
        known |= {runner.process.pid for runner in self._runners}
        for pid in set(children(os.getpid())) - known:
            with contextlib.suppress(ChildProcessError):
                found, status = os.waitpid(pid, os.WNOHANG)
                if found:
                    self.adopted[pid] = status

    def _undo_what_is_left(self):
        """Clear by hand what only a hand can clear: where the reaper was killed too."""
        reapers_killed = (
            self.plan.way in {"both", "full"} or self.struck_by_us or any(map(os.WIFSIGNALED, self.adopted.values()))
        )
        try:
            left = open_runs(self.state)
        except (ChaoslabError, OSError) as error:
            self.problems.append(f"the ledgers cannot be read: {error}")
            return
        if not left:
            return
        told = ", ".join(f"{entry.name} ({entry.state}) {entry.error}" for run in left for entry in run.entries)
        if not reapers_killed:
            self.problems.append(f"the reaper left open: {told}")
        command = [sys.executable, "-m", "chaoslab", "undo", "--json"]
        done = subprocess.run(
            command, env=self.environment, cwd=self.folder, capture_output=True, text=True, timeout=120, check=False
        )
        self.notes.append("undone by hand")
        if done.returncode != 0:
            self.problems.append(f"chaoslab undo ended with {done.returncode}: {done.stdout}{done.stderr}")

    def _compare(self, before):
        """Name whatever is not as it was."""
        survivors = [victim for victim in self.victims if victim.is_alive() and not victim.momentary]
        gone = {f"target of {victim.name}" for victim in self.victims if victim not in survivors}
        expected = {kind: lines for kind, lines in before.items() if kind not in gone}
        dead = tuple(f"/{victim.called} " for victim in self.victims if victim.called and not victim.is_alive())
        expected["containers"] = [line for line in before["containers"] if not line.startswith(dead)]
        self.problems += until_same(self.machine, expected, survivors)

    def _read_traces(self):
        """Look at what the run has written: nothing open, nothing broken, no file of a moment."""
        self.problems += [f"file: there is now: {path}" for path in sorted((self.folder / "tmp").rglob("*"))]
        self.problems += [f"ledger: there is now: {path.name}" for path in (self.state / "ledger").glob("*")]
        logs = list((self.folder / "reports").glob("*/events.jsonl"))
        if self.plan.way not in {"oom", "memory"}:
            self._read_complaints(has_begun=bool(logs))
        for log in logs:
            with contextlib.suppress(ValueError):  # killed before its first event: there is no run to tell of
                record = record_of(read_events(log))
                self.problems += [f"the run log still holds open: {left}" for left in record.residue]
                self.notes += ["bit"] * any(fault.injected_s is not None for fault in record.faults)

    def _read_complaints(self, *, has_begun):
        """Look for tracebacks. Some are Python's own: interrupted while it starts, before anything of ours runs."""
        for path in (self.state / "reaper.log", *(runner.stderr for runner in self._runners)):
            text = path.read_text(errors="replace").strip() if path.exists() else ""
            own = text.endswith("KeyboardInterrupt") or text.startswith("Fatal Python error: init_")
            if "Traceback" in text and (has_begun or not own):
                self.problems.append(f"{path.name}: {text[-800:]}")
        self.problems += [f"a crash: {path.read_text()[-800:]}" for path in (self.state / "crashes").glob("*")]
