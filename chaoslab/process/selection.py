"""Which processes a catalog file means: by pid, pid file, unit, or by what they are; never all for want of a word."""

import os
import pwd
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from chaoslab.core.errors import BadUsage, Refused
from chaoslab.process.listening import listeners, port_of
from chaoslab.process.proc import ancestors, everybody, name_of, read, uid_of, words_of
from chaoslab.process.target import of_file, of_pid
from chaoslab.process.units import main_process
from chaoslab.process.vital import (
    GUARD,
    is_reaper,
    refuse_databases,
    refuse_out_of_reach,
    refuse_vital,
)
from chaoslab.runtime.choosing import chosen, pattern_of
from chaoslab.runtime.identity import ProcessIdentity

_CGROUPS = Path("/sys/fs/cgroup")
_KERNEL_NAME_MAX = 15


@dataclass(frozen=True, slots=True)
class Selector:
    """How processes are meant: by one of the first three, or by all of the others that are given."""

    pid_file: str = ""
    """A file that holds `pid`, or `pid start-time` (clock ticks since boot)."""
    pid: int = 0
    unit: str = ""
    """A systemd unit, whose main process is meant; `user:NAME` for one of this user's own systemd."""
    name: str = ""
    """The program's name, or the kernel's."""
    user: str = ""
    """Whose process, by name or number; only together with one of the others."""
    command: str = ""
    """A regular expression that occurs in the command line."""
    port: str = ""
    """What it listens on: `8080`, `tcp:8080`, `udp:53`."""
    cgroup: str = ""
    """In which cgroup, or below: a path as in /proc/PID/cgroup, or below /sys/fs/cgroup."""
    which: str = ""
    """Where several fit: `all`, `oldest`, `newest`, `2` or `50%` (of the oldest), or by chance: `random SEED`."""

    def __str__(self) -> str:
        """Return what is looked for, for people."""
        given = ("unit", "name", "user", "command", "port", "cgroup")
        return ", ".join(f"{word} {getattr(self, word)}" for word in given if getattr(self, word))


def pin_all(selector: Selector, *, database: bool) -> list[ProcessIdentity]:
    """Return who is meant, after every check that needs no touch.

    Args:
        selector: how they are meant
        database: whether a database server is meant to be hit

    Raises:
        BadUsage: the selector makes no sense.
        Refused: nobody fits, several fit where one was meant, or one of them must not be hit.
    """
    found = _chosen(selector, candidates(selector))
    for process in found:
        refuse_vital(process)
        refuse_out_of_reach(process)
    if not database:
        refuse_databases(found)
    return found


def candidates(selector: Selector) -> list[ProcessIdentity]:
    """Return everybody who fits, oldest first; nobody is an empty list only where processes are looked for.

    Raises:
        BadUsage: the selector makes no sense.
        Refused: a pid, a pid file or a unit names no process.
    """
    _check(selector)
    if selector.pid_file:
        return [of_file(Path(selector.pid_file))]
    if selector.pid:
        return [of_pid(int(selector.pid))]
    if selector.unit:
        return [main_process(selector.unit)]
    if selector.port:
        found = listeners(port_of(str(selector.port)))
    else:
        # Who looks for a command line has it in his own, and in that of the shell he was started from.
        mine = set() if selector.cgroup else {os.getpid(), *ancestors()}
        found = [one for one in everybody() if selector.cgroup or not (one.pid in mine or is_reaper(one.pid))]
    tests = list(_tests(selector))
    fitting = [process for process in found if all(test(process.pid) for test in tests)]
    return sorted(fitting, key=lambda process: (process.started, process.pid))


def _check(selector: Selector) -> None:
    direct = [word for word in ("pid_file", "pid", "unit") if getattr(selector, word)]
    sought = [word for word in ("name", "command", "port", "cgroup", "user") if getattr(selector, word)]
    if len(direct) + bool(sought) != 1:
        raise BadUsage("give either pid_file or pid or unit, or else name, command, port or cgroup, with user or not")
    if sought == ["user"]:
        raise BadUsage("user: alone it would mean all that somebody runs; add name, command, port or cgroup")
    if direct and selector.which:
        raise BadUsage(f"which: {direct[0]} names one process")


def _chosen(selector: Selector, found: list[ProcessIdentity]) -> list[ProcessIdentity]:
    if not found:
        raise Refused(GUARD, f"there is no process with {selector}")
    which = str(selector.which)
    if which == "newest":
        return found[-1:]
    fit, words = f"processes fit {selector}", ("oldest", "newest")
    return chosen(found, "1" if which == "oldest" else which, guard=GUARD, fit=fit, name=_told, words=words)


def _told(process: ProcessIdentity) -> str:
    return f"{process.pid} ({name_of(process.pid)})"


def _tests(selector: Selector) -> Iterator[Callable[[int], bool]]:
    if selector.name:
        yield lambda pid: _has_name(pid, selector.name)
    if selector.user:
        uid = _uid(str(selector.user))
        yield lambda pid: uid_of(pid) == uid
    if selector.command:
        pattern = pattern_of("command", selector.command)
        yield lambda pid: pattern.search(" ".join(words_of(pid))) is not None
    if selector.cgroup:
        yield _within(selector.cgroup)


def _has_name(pid: int, wanted: str) -> bool:
    """Compare with the kernel's name, which is cut short, and with the program's in the command line."""
    name = name_of(pid)
    program = os.path.basename((words_of(pid) or [""])[0])
    return wanted == name or (wanted == program and (len(name) < _KERNEL_NAME_MAX or wanted.startswith(name)))


def _uid(user: str) -> int:
    if user.isascii() and user.isdigit():
        return int(user)
    try:
        return pwd.getpwnam(user).pw_uid
    except KeyError:
        raise Refused(GUARD, f"there is no user {user} on this machine") from None


def _within(cgroup: str) -> Callable[[int], bool]:
    """Say whether a process is in a cgroup or in one below it.

    A path from the root of the cgroups' file system names one cgroup of one hierarchy; a path as in /proc/PID/cgroup
    names it in whichever hierarchy has it.
    """
    path = Path(cgroup)
    if path.is_relative_to(_CGROUPS) and path != _CGROUPS:
        if not (path / "cgroup.procs").is_file():
            raise Refused(GUARD, f"there is no cgroup {cgroup}")
        members = {pid for file in path.rglob("cgroup.procs") for pid in _pids(file)}
        if _is_root(path):
            raise BadUsage(f"cgroup: {cgroup} holds every process; name one below it")
        return lambda pid: pid in members
    wanted = "/" + cgroup.strip("/")
    if wanted == "/" or path == _CGROUPS:
        raise BadUsage(f"cgroup: {cgroup} holds every process; name one below it")
    return lambda pid: any(own == wanted or own.startswith(wanted + "/") for own in _cgroups_of(pid))


def _is_root(path: Path) -> bool:
    """Say whether a folder is the root of a hierarchy: there alone the kernel has no way to freeze or no such file."""
    return (path.parent == _CGROUPS and not (_CGROUPS / "cgroup.procs").exists()) or os.path.ismount(path)


def _pids(file: Path) -> list[int]:
    try:
        return [int(word) for word in file.read_text().split()]
    except OSError:
        return []  # removed meanwhile, or of another kind


def _cgroups_of(pid: int) -> list[str]:
    return [line.split(":", 2)[2] for line in read(pid, "cgroup").splitlines() if line.count(":") >= 2]
