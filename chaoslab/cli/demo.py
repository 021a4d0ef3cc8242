"""`chaoslab demo`: a drill and an experiment on the lab, for someone who has never seen one."""

import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import click

from chaoslab.cli.options import reports_option
from chaoslab.cli.series import run_series
from chaoslab.cli.terminal import faint, styled, tell
from chaoslab.core.errors import ExitCode

EXERCISES = (
    ("postgres-restore", "A drill: dump a database, declare it lost, restore the dump elsewhere, compare every table."),
    ("database-blocked", "An experiment: cut a service off from its database, and see it come back."),
)
_SIGNALLED = 128


@click.command()
@click.option("--keep", is_flag=True, help="Leave the lab running.")
@reports_option("Where run folders go.")
def command(keep: bool, reports: Path) -> int:
    """See a drill and an experiment on the lab.

    Starts the lab unless it runs, restores a real database from a real dump and verifies it, cuts a service off from
    its database, and says where the reports are. A lab that it started is stopped again; its data stay for next time.

    Exits 0 when both passed.

    \b
    Examples:
      chaoslab demo --keep
    """
    for name, about in EXERCISES:
        tell(f"{styled(name, 'none')}  {about}")
    tell()
    with _lab(keep=keep):
        commands = [(name, ["run", "--reports", str(reports), "--", name]) for name, _ in EXERCISES]
        code = run_series(commands, outputs=[None] * len(commands))
    if code == ExitCode.PASSED:
        tell(f"Both passed; what an SRE, a CI job and an auditor get is in {reports}.")
        tell(f"Next: `{_command()} list`, then `show NAME`, and `plan postgres-restore --var source=postgresql://...`")
    return code


def _command() -> str:
    """Return this command as a shell finds it: by its path when its .venv is not on the PATH."""
    path = Path(sys.argv[0])
    return str(path) if path.name == "chaoslab" and not shutil.which("chaoslab") else "chaoslab"


@contextmanager
def _lab(*, keep: bool) -> Iterator[None]:
    """Have the lab run, and stop it again if it did not run before."""
    import chaoslab.lab

    def note(line: str) -> None:
        tell(faint(f"lab: {line}"))

    before = chaoslab.lab.status()["state"]
    with _ended_by_signals():
        try:
            chaoslab.lab.start(tell=note)
            yield
        finally:
            if before == "stopped" and not keep:
                chaoslab.lab.stop(tell=note)
            else:
                note("it goes on running; `chaoslab lab stop` stops it")


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the demo in good order, as Ctrl-C does."""

    def leave(number: int, frame: FrameType | None) -> None:
        sys.exit(_SIGNALLED + number)

    before = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
