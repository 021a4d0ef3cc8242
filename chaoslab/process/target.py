"""The process that is meant: found by its pid or pid file, pinned by its start time, and signalled only as itself."""

import signal
from dataclasses import asdict
from pathlib import Path
from typing import Any

from chaoslab.core.bounded import read_bounded
from chaoslab.core.errors import BadUsage, ChaoslabError, Refused
from chaoslab.process.proc import field, started_at_s
from chaoslab.process.vital import GUARD, describe
from chaoslab.runtime.fault import Data
from chaoslab.runtime.identity import ProcessIdentity, identify

__all__ = ["GUARD", "data_of", "describe", "identities_of", "identity_of", "of_file", "of_pid", "send"]

_PID_FILE_BYTES = 4096
_PID_FILE_TOLERANCE_S = 5.0
"""How much younger than its pid file a process may seem: the boot instant is known to the second only."""


def data_of(identity: ProcessIdentity) -> dict[str, Any]:
    """Return the identity as JSON for the ledger."""
    return asdict(identity)


def identity_of(data: Data) -> ProcessIdentity:
    """Return the identity that the ledger holds."""
    return ProcessIdentity(int(data["pid"]), int(data["started"]), str(data["boot"]))


def identities_of(data: Data) -> list[ProcessIdentity]:
    """Return all identities that the ledger holds for one fault; one alone may stand there by itself."""
    return [identity_of(one) for one in data.get("processes", [data])]


def send(identity: ProcessIdentity, number: signal.Signals) -> bool:
    """Send a signal to this very process, never to another one with its pid; return whether it was still there.

    Raises:
        ChaoslabError: the kernel does not let this user do it.
    """
    try:
        return identity.send(number)
    except PermissionError as error:
        raise ChaoslabError(f"not permitted to send {number.name} to {describe(identity)}") from error


def of_file(path: Path) -> ProcessIdentity:
    """Return the process that a pid file names.

    Raises:
        BadUsage: it is no pid file.
        Refused: there is none, or it is stale.
    """
    try:
        words = read_bounded(path, _PID_FILE_BYTES).decode().split()
        written_at_s = path.stat().st_mtime
    except OSError as error:
        raise Refused(GUARD, f"cannot read the pid file {path}: {error.strerror}; is it running?") from error
    except UnicodeDecodeError:
        words = []
    if len(words) not in {1, 2} or not all(word.isascii() and word.isdigit() for word in words):
        raise BadUsage(f"{path} is no pid file: it must hold `pid` or `pid start-time`")
    found = of_pid(int(words[0]), said_by=f"; the pid file {path} is stale")
    if len(words) == 2:
        stale = found.started != int(words[1])
    else:
        stale = started_at_s(found) > written_at_s + _PID_FILE_TOLERANCE_S
    if stale:
        raise Refused(GUARD, f"the pid file {path} is stale: {describe(found)} is another process that got its pid")
    return found


def of_pid(pid: int, *, said_by: str = "") -> ProcessIdentity:
    """Return the process that has a pid.

    Args:
        pid: the pid
        said_by: ends the refusal: where the pid comes from

    Raises:
        Refused: nobody has it, it is a thread, or this user may not look.
    """
    try:
        found = identify(pid) if pid > 0 else None
    except PermissionError as error:
        raise Refused(GUARD, f"not permitted to look at process {pid}; run as its user, or as root") from error
    if found is None or not found.is_alive():
        raise Refused(GUARD, f"there is no process {pid}{said_by}")
    thread_of = int(field(pid, "Tgid") or pid)
    if thread_of != pid:
        raise Refused(GUARD, f"{pid} is a thread of process {thread_of}; name the process")
    return found
