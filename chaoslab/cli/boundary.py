"""The one place that turns whatever went wrong into words on stderr and an exit code."""

import errno
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import click

from chaoslab.core.errors import BadFile, ChaoslabError, ExitCode

DEBUG = "CHAOSLAB_DEBUG"
SIGPIPE_EXIT = 141
"""What a shell reports of a program whose reader went away."""


def guarded(call: Callable[[], Any]) -> int:
    """Call a command; return its exit code, or that of what it raises. An error is one line, no traceback."""
    try:
        code = _call(call)
        sys.stdout.flush()
    except BrokenPipeError:
        _silence(sys.stdout, sys.stderr)
        return SIGPIPE_EXIT
    except OSError as unwritable:
        return _tell_unwritable(unwritable)
    return code


@contextmanager
def telling(code: int) -> Iterator[None]:
    """Tell what a command ends with; residue outranks all, also that nobody reads what is told of it."""
    try:
        yield
    except BrokenPipeError:
        if code != ExitCode.RESIDUE:
            raise
        _silence(sys.stdout, sys.stderr)


def _call(call: Callable[[], Any]) -> int:
    try:
        return int(call() or 0)
    except click.exceptions.Exit as leaving:
        return leaving.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo(err=True)  # ends the line on which the terminal has drawn ^C
        return ExitCode.SIGINT
    except click.ClickException as error:
        error.show()
        return ExitCode.USAGE
    except ChaoslabError as error:
        _show_traceback()
        tell_error(error)
        return error.exit_code
    except BrokenPipeError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and _is_of_echo(error):
            raise
        _show_traceback()
        _tell_crash(error)
        return ExitCode.BROKEN


def tell_error(error: ChaoslabError) -> None:
    """Write an error on stderr: one line, or one a problem when a file has several."""
    # A file's problems begin with file:line:col, which editors and CI jobs can follow only at the start of a line.
    from chaoslab.cli.terminal import flat, harmless

    told = _redacted(str(error))
    click.echo(harmless(told) if isinstance(error, BadFile) else f"chaoslab: {flat(harmless(told))}", err=True)


def _tell_crash(error: Exception) -> None:
    """Keep the traceback in a file and say in one line where it is."""
    what = _redacted(f"{type(error).__name__}: {error}".strip().replace("\n", " "))
    try:
        kept = f"the traceback is in {_keep_crash()}"
    except OSError as unwritable:
        kept = f"the traceback cannot be kept ({unwritable}); {DEBUG}=1 shows it"
    click.echo(f"chaoslab: internal error: {what}; {kept}", err=True)


def _is_of_echo(error: OSError) -> bool:
    """Say whether it was our own answer that could not be written: a full disk, a device that is gone."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    return last is not None and last.tb_frame.f_code is click.echo.__code__


def _tell_unwritable(error: OSError) -> int:
    """Say that the answer is lost; whoever asked has no verdict, though a run may have written its report."""
    if error.errno == errno.EIO:  # a terminal that was closed
        _silence(sys.stdout, sys.stderr)
        return ExitCode.SIGHUP
    click.echo(f"chaoslab: standard output cannot be written: {error.strerror or error}", err=True)
    _silence(sys.stdout)
    return ExitCode.BROKEN


def _keep_crash() -> Path:
    """Write the traceback of the exception in hand, without secrets, where only the user can read it."""
    import platform
    import shlex
    import tempfile
    import traceback

    from chaoslab import __version__
    from chaoslab.runtime.clock import SystemClock
    from chaoslab.runtime.places import private_folder, state_folder

    started = f"{SystemClock().wall():%Y%m%dT%H%M%SZ}"
    system = f"chaoslab {__version__}, Python {platform.python_version()}, {platform.platform()}"
    command = shlex.join(map(_redacted, sys.argv))  # one by one: a shell's quotes would hide where a password ends
    text = f"{system}\n{command}\n{_redacted(traceback.format_exc())}"
    try:
        folder = private_folder(private_folder(state_folder()) / "crashes")
        handle, name = tempfile.mkstemp(dir=folder, prefix=f"{started}-", suffix=".txt")
    except OSError:
        handle, name = tempfile.mkstemp(prefix=f"chaoslab-crash-{started}-", suffix=".txt")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    return Path(name)


def _show_traceback() -> None:
    if os.environ.get(DEBUG, "") not in {"", "0"}:
        import traceback

        click.echo(_redacted(traceback.format_exc()), err=True, nl=False)


def _redacted(text: str) -> str:
    from chaoslab.runtime.secrets import Secrets

    return Secrets().redact(text)


def _silence(*streams: TextIO) -> None:
    """Point streams nowhere, so that the interpreter's last flush does not complain either."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in streams:
        os.dup2(nowhere, stream.fileno())
