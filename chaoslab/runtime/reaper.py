"""The reaper: a detached process that undoes what is open when the runner dies or a time-to-live is over.

It holds the reading end of a pipe and the runner holds the writing end. A byte on it means that the ledger has
changed; its end means that the runner is gone, however it went. The runner's pidfd says so too, in case some
child of the runner has inherited the pipe. It imports little, and the undo functions only when they are named.
"""

import importlib
import os
import select
import signal
import subprocess
import sys
import threading
import traceback
from contextlib import suppress
from pathlib import Path

from chaoslab.core.errors import ChaoslabError
from chaoslab.runtime.clock import CLOCK
from chaoslab.runtime.fault import resolve
from chaoslab.runtime.ledger import UndoLedger
from chaoslab.runtime.runlog import RunLog
from chaoslab.runtime.undoing import Undoing, expired, hurry

_DONE = b"q"
_CHANGED = b"."
_READY_WITHIN_S = 60.0
"""Nothing is injected before it listens, so a machine that is out of breath may take its time."""
_RETRY_S = (1.0, 2.0, 5.0, 10.0)
"""After the runner's death: waits before trying again what could not be undone."""
_TAKES_OVER_WITHIN_S = sum(_RETRY_S) + 12.0
"""Those waits, and time for the tries between them."""
_LOOK_AGAIN_S = 1.0
"""How late a time-to-live may be met that was over while the machine slept."""
_REPLACED_AT_MOST = 20
"""Reapers that are killed in one run, before somebody is taken to mean it."""


class Reaper:
    """The runner's handle on its reaper. One that is killed is replaced, while the run goes on."""

    def __init__(self, ledger: Path) -> None:
        self._ledger = ledger
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe = -1
        self._pipe_lock = threading.Lock()
        self._lock = threading.Lock()
        self._replaced = 0

    @property
    def pid(self) -> int:
        """The process that watches now; 0 when there is none."""
        return self._process.pid if self._process else 0

    def ensure(self) -> None:
        """Have a reaper that listens; start one, or another one if the first was killed.

        Raises:
            ChaoslabError: it does not start; nothing may be injected then.
        """
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                self._start()

    def ledger_changed(self) -> None:
        """Have the reaper read the ledger again."""
        self._tell(_CHANGED)

    def dismiss(self, *, done: bool = True) -> None:
        """Send it home: the run has ended and has itself undone what it could. A second call does nothing.

        Unless it is `done`: then the reaper takes over, as from a runner that died. It is waited for all the same, as
        long as it tries again, so that nobody is told of residue that is gone a moment later.
        """
        with self._lock:
            process, self._process = self._process, None
        if done:
            self._tell(_DONE)
        self._talk_to(-1)
        if process is not None:
            with suppress(subprocess.TimeoutExpired, MemoryError):
                process.wait(None if done else _TAKES_OVER_WITHIN_S)

    def _start(self) -> None:
        reading, writing = os.pipe()
        ready, tell_ready = os.pipe()
        try:
            self._process = self._launch(reading, tell_ready)
        finally:
            os.close(reading)
            os.close(tell_ready)
            self._talk_to(writing)
        try:
            _await_ready(ready)
        except ChaoslabError:
            self._process.kill()  # one that is merely late must not be taken for one that listens
            raise
        with suppress(RuntimeError):  # no thread can be had: then the next intent finds out
            threading.Thread(target=self._replace, args=(self._process,), name="reaper-watch", daemon=True).start()

    def _launch(self, reading: int, tell_ready: int) -> "subprocess.Popen[bytes]":
        log = self._ledger.parent.parent / "reaper.log"
        complaints = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        words = [str(self._ledger), str(reading), str(tell_ready), str(os.getpid())]
        try:
            return subprocess.Popen(
                [sys.executable, "-m", "chaoslab.runtime.reaper", *words],
                pass_fds=(reading, tell_ready),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=complaints,
                start_new_session=True,
                cwd="/",
                env=os.environ | {"PYTHONPATH": _where_modules_are()},
            )
        finally:
            os.close(complaints)

    def _replace(self, process: "subprocess.Popen[bytes]") -> None:
        """Wait for one reaper's end; if nobody has dismissed it, start another one."""
        process.wait()
        with self._lock, suppress(ChaoslabError, OSError):
            if self._process is process and self._replaced < _REPLACED_AT_MOST:
                self._replaced += 1
                self._start()

    def _tell(self, what: bytes) -> None:
        with self._pipe_lock, suppress(BrokenPipeError):
            if self._pipe >= 0:
                os.write(self._pipe, what)

    def _talk_to(self, pipe: int) -> None:
        """Write into another pipe from now on; none when it is -1."""
        with self._pipe_lock:
            if self._pipe >= 0:
                os.close(self._pipe)
            self._pipe = pipe


def _where_modules_are() -> str:
    """Return where the runner finds modules, also relative to its folder: the reaper works in another."""
    return os.pathsep.join(dict.fromkeys(os.path.abspath(entry) for entry in sys.path))


def _await_ready(ready: int) -> None:
    try:
        told, _, _ = select.select([ready], [], [], _READY_WITHIN_S)
        if not told or not os.read(ready, 1):
            raise ChaoslabError("the reaper did not start, so nothing may be injected: a fault could outlive its run")
    finally:
        os.close(ready)


def main(arguments: list[str]) -> None:
    """Watch over one run until it is over and nothing is left to undo."""
    path, pipe, tell_ready, runner = (
        Path(arguments[0]),
        int(arguments[1]),
        int(arguments[2]),
        int(arguments[3]),
    )
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    hurry()
    ledger = UndoLedger(path)
    with suppress(BrokenPipeError):  # a runner that has died meanwhile: then there is all the more to do
        os.write(tell_ready, b"!")
    os.close(tell_ready)
    while (dead := _watch_or_complain(ledger, pipe, _pidfd(runner))) is None:
        CLOCK.sleep(_RETRY_S[0])
    if dead:
        _after_death(ledger)


def _watch_or_complain(ledger: UndoLedger, pipe: int, pidfd: int) -> bool | None:
    """Watch; a reaper that something unforeseen has broken complains to its log, and watches on."""
    try:
        return _watch(ledger, pipe, pidfd)
    except Exception:
        traceback.print_exc()
        return None


def _watch(ledger: UndoLedger, pipe: int, pidfd: int) -> bool:
    """Keep the times-to-live until the runner is done (False) or dead (True)."""
    sources = [pipe] + [pidfd] * (pidfd >= 0)
    while True:
        _load_undos(ledger)
        readable, _, _ = select.select(sources, [], [], _next_expiry_s(ledger))
        if pipe in readable:
            data = os.read(pipe, 4096)
            if _DONE in data:
                return False
            if not data:
                return True
        elif pidfd in readable:
            return True
        over = expired(CLOCK.mono(), CLOCK.boot())
        if any(map(over, ledger.open_entries())):
            with RunLog.of_run(str(ledger.header().get("folder", ""))) as log:
                Undoing(ledger, "reaper", log).undo(over)


def _next_expiry_s(ledger: UndoLedger) -> float | None:
    """Return how long to wait at most: until the next time-to-live is over, or a failed undo is tried again.

    No wait is long, since it stands still while the machine sleeps, and a time-to-live does not.
    """
    mono_s, boot_s = CLOCK.mono(), CLOCK.boot()
    instants = [
        max(min(entry.expires_mono_s - mono_s, entry.expires_boot_s - boot_s), _RETRY_S[0] if entry.error else 0.0)
        for entry in ledger.open_entries()
    ]
    return min([*instants, _LOOK_AGAIN_S]) if instants else None


def _load_undos(ledger: UndoLedger) -> None:
    """Import the undos that may be needed while there is time; a name that fails is reported when it is used."""
    for entry in ledger.open_entries():
        with suppress(ChaoslabError, ImportError):
            for module in resolve(entry.undo).loads:
                importlib.import_module(module)


def _after_death(ledger: UndoLedger) -> None:
    with RunLog.of_run(str(ledger.header().get("folder", ""))) as log:
        if log:
            with suppress(OSError):
                log.append("interrupted", durable=True, reason="the runner died")
        undoing = Undoing(ledger, "reaper", log)
        residue = undoing.undo()
        for pause_s in _RETRY_S:
            if not residue:
                break
            CLOCK.sleep(pause_s)
            residue = undoing.undo()
    ledger.close()


def _pidfd(pid: int) -> int:
    try:
        return os.pidfd_open(pid)
    except OSError:
        return -1  # an old kernel, or a runner that is dead already: the pipe says so


if __name__ == "__main__":
    main(sys.argv[1:])
