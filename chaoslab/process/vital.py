"""Whom no fault of a process may hit: what the run or the machine stands on, what is out of reach, and a database."""

import os
from collections.abc import Iterable
from pathlib import Path

from chaoslab.core.errors import Refused
from chaoslab.process.proc import ancestors, field, name_of, read, stat_of, words_of
from chaoslab.runtime.identity import ProcessIdentity

GUARD = "process"
_INIT = 1
_KERNEL_THREAD = 0x00200000
"""PF_KTHREAD in the flags of /proc/PID/stat."""
_DATABASES = ("postgres", "postmaster", "mysqld", "mariadbd", "mongod")
"""Servers that hold somebody's data of record, by the kernel's name."""


def describe(identity: ProcessIdentity) -> str:
    """Return the process for people: `process 4711 (service)`."""
    return f"process {identity.pid} ({name_of(identity.pid) or 'ended'})"


def is_reaper(pid: int) -> bool:
    """Say whether a process is the reaper of a run."""
    return "chaoslab.runtime.reaper" in words_of(pid)


def refuse_vital(found: ProcessIdentity) -> None:
    """Refuse what the run itself or the whole machine stands on.

    Raises:
        Refused: it does.
    """
    name, fields = describe(found), stat_of(found.pid)
    if found.pid == _INIT:
        raise Refused(GUARD, f"{name} is the first process of the system")
    if fields and int(fields[6]) & _KERNEL_THREAD:
        raise Refused(GUARD, f"{name} is a thread of the kernel")
    if found.pid == os.getpid():
        raise Refused(GUARD, f"{name} is the run itself")
    if found.pid in ancestors():
        raise Refused(GUARD, f"{name} is one from which the run was started; it would take the run with it")
    if is_reaper(found.pid):
        raise Refused(GUARD, f"{name} is the reaper that watches over a run")


def refuse_out_of_reach(found: ProcessIdentity) -> None:
    """Refuse what this user may not signal; asking so with signal 0 touches nothing.

    Raises:
        Refused: the kernel would say no.
    """
    try:
        os.kill(found.pid, 0)
    except PermissionError as error:
        owner = (field(found.pid, "Uid") or "?").split()[0]
        told = f"not permitted to signal {describe(found)}, which belongs to user {owner}; run as that user, or as root"
        raise Refused(GUARD, told) from error
    except ProcessLookupError as error:
        raise Refused(GUARD, f"process {found.pid} has just ended") from error


def refuse_databases(found: Iterable[ProcessIdentity]) -> None:
    """Refuse a server that holds data of record, and each of its workers.

    Raises:
        Refused: one of them is.
    """
    for process in found:
        if is_database(process.pid):
            raise Refused(
                GUARD,
                f"{describe(process)} belongs to a database server, which holds data of record: to kill or stop it is a"
                " crash for everybody who uses it, and even one worker's death makes PostgreSQL end all its"
                " connections; if that is what you mean, say `database: yes`",
            )


def is_database(pid: int) -> bool:
    """Say whether a process belongs to a database server, by its name, its program or its pid file."""
    try:
        program = os.path.basename(os.readlink(f"/proc/{pid}/exe"))
    except OSError:
        program = ""
    # The master's working folder is its data folder, and there it notes its pid, whatever its program is called.
    noted = read(pid, "cwd/postmaster.pid").split("\n", 1)[0]
    return noted == str(pid) or bool({name_of(pid), program, _first_word(pid)} & set(_DATABASES))


def _first_word(pid: int) -> str:
    """Return the program's name in the command line; PostgreSQL writes `postgres: writer` there."""
    return Path((words_of(pid) or [""])[0].split(": ")[0]).name
