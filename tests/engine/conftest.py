"""What the engine's tests share: toy experiments, in-process runs, and cheap forked runs of `chaos run`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

SUPPORT = Path(__file__).parent / "support"
sys.path.insert(0, str(SUPPORT))

import engine_toys  # noqa: E402
import engine_toys_control  # noqa: E402
from chaoslib.control import reset_global_controls  # noqa: E402

from chaoslab.core.record import record_of  # noqa: E402
from chaoslab.core.verdict import judge  # noqa: E402
from chaoslab.engine.runner import Outcome  # noqa: E402
from chaoslab.runtime.runlog import read_events  # noqa: E402


class Forked:
    """One command run by the zygote: start it, signal it, wait for it."""

    def __init__(self, zygote: subprocess.Popen[str], folder: Path) -> None:
        """Remember where to ask and where output lands."""
        self.zygote, self.folder, self.pid = zygote, folder, 0

    def start(self, *argv: str, env: dict[str, str] | None = None) -> Forked:
        """Fork a child that runs `argv` in the test's folder."""
        command = {
            "argv": list(argv),
            "cwd": str(self.folder),
            "env": env or {},
            "out": str(self.folder / "stdout.txt"),
            "err": str(self.folder / "stderr.txt"),
        }
        self._stdin.write(json.dumps(command) + "\n")
        self._stdin.flush()
        self.pid = self._answer()["pid"]
        return self

    def wait(self) -> int:
        """Return the exit code, or minus the signal that ended the child."""
        return int(self._answer()["exit"])

    def send(self, number: signal.Signals) -> None:
        """Send the child a signal."""
        os.kill(self.pid, number)

    def run(self, *argv: str, env: dict[str, str] | None = None) -> int:
        """Run `argv` to its end."""
        return self.start(*argv, env=env).wait()

    def start_ours(self, built: dict[str, Any], *pairs: str, env: dict[str, str] | None = None) -> Forked:
        """Start an experiment as `chaoslab run` does."""
        file = self.folder / "experiment.json"
        file.write_text(json.dumps(built))
        return self.start("engine_launch:ours", str(file), *pairs, env=env)

    def told(self, kind: str) -> list[dict[str, Any]]:
        """Return the events of a kind that were told so far."""
        file = self.folder / "told.jsonl"
        events = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
        return [event for event in events if event["kind"] == kind]

    @property
    def run_folder(self) -> Path:
        """The folder of the only run."""
        (folder,) = (self.folder / "reports").iterdir()
        return folder

    @property
    def outcome(self) -> Outcome:
        """The only run, judged from its run log alone."""
        record = record_of(read_events(self.run_folder / "events.jsonl"))
        return Outcome(self.run_folder, record, judge(record))

    def chaos_run(self, experiment: dict[str, Any], *options: str) -> int:
        """Run `chaos run` on an experiment; its journal is then at `journal`."""
        return self.start_chaos_run(experiment, *options).wait()

    def start_chaos_run(self, experiment: dict[str, Any], *options: str) -> Forked:
        """Start `chaos run` on an experiment."""
        file = self.folder / "experiment.json"
        file.write_text(json.dumps(experiment))
        plain = ("--no-version-check", "--no-log-file", "--settings", str(self.folder / "settings.yaml"))
        return self.start("chaos", *plain, "run", *options, str(file))

    @property
    def journal(self) -> dict[str, Any]:
        """The journal that `chaos run` wrote."""
        loaded: dict[str, Any] = json.loads((self.folder / "journal.json").read_text())
        return loaded

    @property
    def stderr(self) -> str:
        """What the child wrote on stderr."""
        return (self.folder / "stderr.txt").read_text()

    def _answer(self) -> dict[str, Any]:
        assert self.zygote.stdout is not None
        answer: dict[str, Any] = json.loads(self.zygote.stdout.readline())
        return answer

    @property
    def _stdin(self) -> Any:
        return self.zygote.stdin


@pytest.fixture(scope="session")
def zygote() -> Iterator[subprocess.Popen[str]]:
    """Start the process that forks children which already have the engine imported."""
    env = {**os.environ, "PYTHONPATH": str(SUPPORT)}
    command = [sys.executable, str(SUPPORT / "engine_zygote.py")]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)
    yield process
    process.communicate()


@pytest.fixture
def forked(zygote: subprocess.Popen[str], tmp_path: Path) -> Forked:
    """Give a test cheap runs in processes of their own, in its own folder."""
    return Forked(zygote, tmp_path)


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    engine_toys.HEARD.clear()
    engine_toys.KEPT.clear()
    engine_toys_control.reset()
    yield
    reset_global_controls()


@pytest.fixture
def heard() -> list[str]:
    """The words that activities and controls left in this process."""
    return engine_toys.HEARD
