"""Keep one process running: start it again when it ends, and say which process it is now.

    python -m chaoslab.lab.supervisor --pid-file FILE -- COMMAND...

The pid file is rewritten at every start. SIGTERM ends the process, then the supervisor.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import FrameType

from chaoslab.lab.pidfile import write_pid
from chaoslab.runtime.clock import CLOCK

DELAY_S = 0.2
DELAY_MAX_S = 5.0
STABLE_S = 2.0
"""A process that lived this long was healthy: the next delay is the shortest again."""
GRACE_S = 3.0


class Ending(BaseException):
    """A signal asked the supervisor to end."""


class Supervisor:
    """Starts a command again and again."""

    def __init__(self, command: Sequence[str], pid_file: Path) -> None:
        """Take the command and the file that names its process."""
        self._command = list(command)
        self._pid_file = pid_file
        self._child: subprocess.Popen[bytes] | None = None
        self._asked_to_end = False
        self._waiting = False

    def run(self) -> None:
        """Keep the command running until SIGTERM or SIGINT."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        delay_s = DELAY_S
        try:
            while True:
                begin = CLOCK.mono()
                self._child = subprocess.Popen(self._command, stdin=subprocess.DEVNULL)
                write_pid(self._pid_file, self._child.pid)
                code = self._interruptible(self._child.wait)
                lived_s = CLOCK.mono() - begin
                delay_s = DELAY_S if lived_s >= STABLE_S else delay_s
                _tell(f"process {self._child.pid} ended with {code} after {lived_s:.1f} s; again in {delay_s:g} s")
                self._interruptible(partial(CLOCK.sleep, delay_s))
                delay_s = min(delay_s * 2, DELAY_MAX_S)
        except Ending:
            self._stop_child()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._asked_to_end = True
        if self._waiting:
            # Only here: raised in the middle of starting a child, it would leave one that nobody knows.
            self._waiting = False
            raise Ending

    def _interruptible[T](self, wait: Callable[[], T]) -> T:
        """Wait, unless we are asked to end, or have been meanwhile."""
        self._waiting = True
        if self._asked_to_end:
            raise Ending
        result = wait()
        self._waiting = False
        return result

    def _stop_child(self) -> None:
        """End the child: gently, after waking it if it is stopped, then by force."""
        self._waiting = False
        child = self._child
        if child is None or child.poll() is not None:
            return
        child.send_signal(signal.SIGTERM)
        child.send_signal(signal.SIGCONT)
        try:
            child.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _tell(text: str) -> None:
    print(f"{CLOCK.wall().timestamp():.3f} {text}", flush=True)  # noqa: T201 - its stdout is the log


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the supervisor from the command line."""
    parser = argparse.ArgumentParser(prog="python -m chaoslab.lab.supervisor")
    parser.add_argument("--pid-file", type=Path, required=True, metavar="FILE")
    parser.add_argument("command", nargs="+", metavar="COMMAND", help="after --")
    given = parser.parse_args(arguments)
    Supervisor(given.command, given.pid_file).run()


if __name__ == "__main__":
    main()
