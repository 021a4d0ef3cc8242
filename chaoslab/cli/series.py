"""Several exercises, one after another, each in a process of its own: the engine keeps its state in globals.

Such a process is `python -m chaoslab.cli.series PARENT ARGUMENT...`: the `chaoslab` command, which is stopped, and has
everything undone, when the process that began the series is killed.
"""

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from chaoslab.cli.exits import is_interruption, worst
from chaoslab.cli.terminal import plural, tell
from chaoslab.core.errors import ExitCode
from chaoslab.runtime.parent import end_with

_PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_KERNEL = 128
"""si_code of a signal that the terminal sent: the child is in the same foreground group and has it already."""


def run_series(commands: Sequence[tuple[str, Sequence[str]]], *, outputs: Sequence[Path | None]) -> int:
    """Run `chaoslab` once for each (name, arguments); return the worst exit code.

    A signal goes to the exercise that is running, and no other begins. None begins after residue either: what an
    earlier one left behind may be in the way of the next.

    Args:
        commands: what to call each exercise, and the arguments of chaoslab
        outputs: where the stdout of each goes; None leaves it
    """
    codes: list[int] = []
    for number, ((name, arguments), output) in enumerate(zip(commands, outputs, strict=True)):
        code, told = _run_one(arguments, output)
        codes.append(code)
        left = [other for other, _ in commands[number + 1 :]]
        if left and (told or is_interruption(code) or code == ExitCode.RESIDUE):
            reason = "something was left behind" if code == ExitCode.RESIDUE else "it was interrupted"
            tell(f"{name}: {reason}, so {plural(len(left), 'exercise')} did not begin: {', '.join(left)}")
            if told and not is_interruption(code):
                codes.append(128 + told)
            break
    return worst(codes)


def _run_one(arguments: Sequence[str], output: Path | None) -> tuple[int, int]:
    """Run one child; return its exit code and the first signal that came meanwhile, or 0."""
    sys.stdout.flush()
    sys.stderr.flush()
    watched = {*_PASSED_ON, signal.SIGCHLD}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, watched)
    try:
        child = _spawn(arguments, output, mask=before)
        told = 0
        while True:
            found = signal.sigwaitinfo(watched)
            if found.si_signo == signal.SIGCHLD:
                pid, status = os.waitpid(child, os.WNOHANG)
                if pid == child:
                    return _exit_code(status), told
                continue
            told = told or found.si_signo
            if found.si_code != _KERNEL:
                os.kill(child, found.si_signo)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _spawn(arguments: Sequence[str], output: Path | None, *, mask: set[int | signal.Signals]) -> int:
    """Start chaoslab with its own signal mask, so that what is blocked here is not blocked there."""
    actions = []
    if output is not None:
        actions = [(os.POSIX_SPAWN_OPEN, 1, str(output), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)]
    command = [sys.executable, "-m", "chaoslab.cli.series", str(os.getpid()), *arguments]
    return os.posix_spawn(sys.executable, command, os.environ, file_actions=actions, setsigmask=mask)


def _exit_code(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _be_one() -> int:
    """Be one exercise of a series; return its exit code."""
    end_with(int(sys.argv.pop(1)), signal.SIGTERM)
    from chaoslab.cli.main import main

    return main()


if __name__ == "__main__":
    sys.exit(_be_one())
