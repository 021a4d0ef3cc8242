"""The process that is meant: found by its pid or pid file, pinned by its start time, and never one that must live."""

import os
import signal
from dataclasses import asdict
from pathlib import Path
from typing import Any

from chaoslab.core.errors import BadUsage, ChaoslabError, Refused
from chaoslab.runtime.fault import Data
from chaoslab.runtime.identity import ProcessIdentity, identify, state_of

GUARD = "process"
_INIT = 1
_KERNEL_THREAD = 0x00200000
"""PF_KTHREAD in the flags of /proc/PID/stat."""
_PID_FILE_TOLERANCE_S = 5.0
"""How much younger than its pid file a process may seem: the boot instant is known to the second only."""


def pin(*, pid_file: str, pid: int) -> ProcessIdentity:
    """Return who is meant, after every check that needs no touch.

    Args:
        pid_file: a file that holds `pid`, or `pid start-time` with the start time in clock ticks since boot
        pid: the pid itself, instead of the file

    Raises:
        BadUsage: neither or both are given, or the file holds something else.
        Refused: there is no such process, the file is stale, or the process must not be hit.
    """
    if bool(pid_file) == bool(pid):
        raise BadUsage("give either pid_file or pid")
    found = _of_file(Path(pid_file)) if pid_file else _of_pid(int(pid), said_by="")
    _refuse_vital(found)
    _refuse_out_of_reach(found)
    return found


def describe(identity: ProcessIdentity) -> str:
    """Return the process for people: `process 4711 (service)`."""
    return f"process {identity.pid} ({_read(identity.pid, 'comm').strip() or 'ended'})"


def data_of(identity: ProcessIdentity) -> dict[str, Any]:
    """Return the identity as JSON for the ledger."""
    return asdict(identity)


def identity_of(data: Data) -> ProcessIdentity:
    """Return the identity that the ledger holds."""
    return ProcessIdentity(int(data["pid"]), int(data["started"]), str(data["boot"]))


def send(identity: ProcessIdentity, number: signal.Signals) -> bool:
    """Send a signal to this very process, never to another one with its pid; return whether it was still there.

    Raises:
        ChaoslabError: the kernel does not let this user do it.
    """
    try:
        handle = os.pidfd_open(identity.pid)
    except ProcessLookupError:
        return False
    try:
        # The handle holds on to whoever had the pid; if that is the one we mean now, it was all the time.
        if identify(identity.pid) != identity:
            return False
        signal.pidfd_send_signal(handle, number)
    except ProcessLookupError:
        return False
    except PermissionError as error:
        raise ChaoslabError(f"not permitted to send {number.name} to {describe(identity)}") from error
    finally:
        os.close(handle)
    return True


def thread_states(pid: int) -> set[str]:
    """Return the states of all threads of a process; empty when it is gone."""
    try:
        threads = [int(name) for name in os.listdir(f"/proc/{pid}/task")]
    except (FileNotFoundError, ProcessLookupError):
        return set()
    return {state for thread in threads if (state := state_of(thread))}


def _of_file(path: Path) -> ProcessIdentity:
    try:
        words = path.read_text().split()
        written_at_s = path.stat().st_mtime
    except OSError as error:
        raise Refused(GUARD, f"cannot read the pid file {path}: {error.strerror}; is it running?") from error
    except UnicodeDecodeError:
        words = []
    if len(words) not in {1, 2} or not all(word.isascii() and word.isdigit() for word in words):
        raise BadUsage(f"{path} is no pid file: it must hold `pid` or `pid start-time`")
    found = _of_pid(int(words[0]), said_by=f"; the pid file {path} is stale")
    if len(words) == 2:
        stale = found.started != int(words[1])
    else:
        stale = _started_at_s(found) > written_at_s + _PID_FILE_TOLERANCE_S
    if stale:
        raise Refused(GUARD, f"the pid file {path} is stale: {describe(found)} is another process that got its pid")
    return found


def _of_pid(pid: int, *, said_by: str) -> ProcessIdentity:
    try:
        found = identify(pid) if pid > 0 else None
        thread_of = int(_field(pid, "Tgid") or pid)
    except PermissionError as error:
        raise Refused(GUARD, f"not permitted to look at process {pid}; run as its user, or as root") from error
    if found is None or not found.is_alive():
        raise Refused(GUARD, f"there is no process {pid}{said_by}")
    if thread_of != pid:
        raise Refused(GUARD, f"{pid} is a thread of process {thread_of}; name the process")
    return found


def _refuse_vital(found: ProcessIdentity) -> None:
    """Refuse what the run itself or the whole machine stands on.

    Raises:
        Refused: it does.
    """
    name = describe(found)
    if found.pid == _INIT:
        raise Refused(GUARD, f"{name} is the first process of the system")
    if int(_stat(found.pid)[6]) & _KERNEL_THREAD:
        raise Refused(GUARD, f"{name} is a thread of the kernel")
    if found.pid == os.getpid():
        raise Refused(GUARD, f"{name} is the run itself")
    if found.pid in _ancestors():
        raise Refused(GUARD, f"{name} is one from which the run was started; it would take the run with it")
    if "chaoslab.runtime.reaper" in _read(found.pid, "cmdline").split("\0"):
        raise Refused(GUARD, f"{name} is the reaper that watches over a run")


def _refuse_out_of_reach(found: ProcessIdentity) -> None:
    """Refuse what this user may not signal; asking so with signal 0 touches nothing.

    Raises:
        Refused: the kernel would say no.
    """
    try:
        os.kill(found.pid, 0)
    except PermissionError as error:
        owner = (_field(found.pid, "Uid") or "?").split()[0]
        told = f"not permitted to signal {describe(found)}, which belongs to user {owner}; run as that user, or as root"
        raise Refused(GUARD, told) from error
    except ProcessLookupError as error:
        raise Refused(GUARD, f"process {found.pid} has just ended") from error


def _ancestors() -> set[int]:
    found: set[int] = set()
    pid = os.getppid()
    while pid > 0 and pid not in found:
        found.add(pid)
        fields = _stat(pid)
        pid = int(fields[1]) if fields else 0
    return found


def _started_at_s(identity: ProcessIdentity) -> float:
    """Return when a process started, in seconds of the wall clock."""
    boot_line = next(line for line in Path("/proc/stat").read_text().splitlines() if line.startswith("btime "))
    return int(boot_line.split()[1]) + identity.started / os.sysconf("SC_CLK_TCK")


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat from the state on."""
    return _read(pid, "stat").rpartition(")")[2].split()


def _field(pid: int, name: str) -> str:
    """Return a field of /proc/PID/status, or ''."""
    lines = _read(pid, "status").splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name + ":")), "")


def _read(pid: int, file: str) -> str:
    try:
        return Path(f"/proc/{pid}/{file}").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""
