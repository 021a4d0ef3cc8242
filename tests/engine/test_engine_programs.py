"""What a `process` step has started ends with its runner; daemons, and what a finished step left behind, go on."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from engine_build import experiment, probe, run_ours, toy, until
from process_table import is_running

GOOD = probe("say", name="steady", word="steady", returns=True)


def shell(script: str, *, name: str = "shell") -> dict[str, Any]:
    provider = {"type": "process", "path": "sh", "arguments": ["-c", script], "timeout": 60}
    return {"type": "action", "name": name, "provider": provider}


def pids(folder: Path, *names: str) -> list[int]:
    """Return the pids that a script has noted."""
    files = [folder / name for name in names]
    until(lambda: all(file.exists() and file.read_text().strip() for file in files))
    return [int(file.read_text()) for file in files]


SCRIPT = """
echo $$ > {0}/shell
(trap '' TERM; sleep 61 & echo $! > {0}/grandchild; wait; sleep 61) &
setsid sleep 62 & echo $! > {0}/daemon
sleep 63
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_they_end_with_the_runner_and_a_daemon_does_not(forked: Any, number: signal.Signals) -> None:
    """The shell, its child and its grandchild, one of which does not listen to SIGTERM."""
    forked.start_ours(experiment(shell(SCRIPT.format(forked.folder)), probes=[GOOD]))
    started = pids(forked.folder, "shell", "grandchild")
    [daemon] = pids(forked.folder, "daemon")
    try:
        forked.send(number)
        forked.wait()
        until(lambda: not any(map(is_running, started)))
        assert is_running(daemon)
    finally:
        os.kill(daemon, signal.SIGKILL)


def test_what_a_finished_step_left_behind_goes_on(forked: Any) -> None:
    """A step that starts a service again has done its work when it ends."""
    left = shell(f"sleep 64 >/dev/null 2>&1 & echo $! > {forked.folder}/left")
    forked.start_ours(experiment(left, toy("sleep", seconds=30.0), probes=[GOOD]))
    until(lambda: forked.told("step-started")[-1:] and forked.told("step-started")[-1]["name"] == "sleep")
    [pid] = pids(forked.folder, "left")
    try:
        forked.send(signal.SIGKILL)
        forked.wait()
        until(lambda: not list((forked.folder / "state" / "ledger").glob("*.jsonl")))
        assert is_running(pid)
    finally:
        os.kill(pid, signal.SIGKILL)


def test_of_a_step_that_took_too_long_nothing_goes_on(tmp_path: Path) -> None:
    slow = shell(f"sleep 65 >/dev/null 2>&1 & echo $! > {tmp_path}/slow; sleep 66 >/dev/null 2>&1")
    slow["provider"]["timeout"] = 1
    outcome = run_ours(experiment(slow, probes=[GOOD]), tmp_path)
    assert outcome.exit_code != 0
    [pid] = pids(tmp_path, "slow")
    until(lambda: not is_running(pid))
    assert outcome.record.residue == ()
    assert "CHAOSLAB_RUN" not in os.environ


def test_an_odd_name_of_a_step_is_no_fault_of_ours(tmp_path: Path) -> None:
    name = "two\nlines\x1b[31m\u2028"
    outcome = run_ours(experiment(shell("true", name=name), probes=[GOOD]), tmp_path)
    assert (outcome.exit_code, outcome.record.findings) == (0, ())
    assert name in [step.name for step in outcome.record.steps]
