"""A place where network faults stand: this host, a named network namespace, or that of a process.

The kernel gives the inode number of a namespace that is gone to the next one, so a place is known by its cookie too,
which is never used twice in a boot. The fault's undo finds the namespace by these two, through whatever still holds it:
the process that was named may have ended while others live on in its namespace.
"""

import os
import socket
import subprocess
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from chaoslab.core.errors import BadUsage, ChaoslabError, Refused
from chaoslab.network.holders import holders
from chaoslab.network.programs import finish, start
from chaoslab.network.rights import needs_user, owner_of
from chaoslab.runtime.identity import boot_id, identify

GUARD = "network-namespace"
_OWN = "/proc/self/ns/net"
_SO_NETNS_COOKIE = 71
"""From <asm-generic/socket.h>; Linux 5.14 and newer."""
DEADLINE_S = 10.0


class Gone(ChaoslabError):
    """That very namespace is no more, and with it all that was in it: nothing is left to undo."""


@dataclass(frozen=True, slots=True)
class Place:
    """One network namespace of this boot, pinned."""

    name: str
    """For people: `this host`, `network namespace web`, `network namespace of process 4711 (nginx)`."""
    path: str
    """Where it was found, and is looked for first."""
    inode: int
    cookie: int
    """The kernel's number for it, never used twice in a boot; 0 where the kernel does not tell."""
    boot: str
    by_user: bool = False
    """Whether programs get there through the user namespace that owns it: an ordinary user's own."""

    def data(self) -> dict[str, Any]:
        """Return the place as JSON for the ledger."""
        return asdict(self)

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Self:
        """Return the place that the ledger holds."""
        return cls(**data)

    def is_own(self) -> bool:
        """Say whether the run itself lives there, with its control connections."""
        own = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return _is(self, own)
        finally:
            os.close(own)


def place_of(*, netns: str = "", pid: int = 0) -> Place:
    """Pin where a network fault is to stand, and see whether the kernel would let us; touch nothing.

    Args:
        netns: name of a network namespace, as `ip netns list` shows it
        pid: a process in the namespace that is meant; with neither, this host's (the run's own) is meant

    Raises:
        BadUsage: both are given, or one of them cannot be one.
        Refused: there is no such namespace or process, or it needs CAP_NET_ADMIN there and we have it not.
    """
    pid = _number(pid)
    name, path = _named(netns, pid)
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, ProcessLookupError) as error:
        raise Refused(GUARD, f"there is no {name}{_hint(netns)}") from error
    except PermissionError as error:
        raise Refused("net-admin", f"needs CAP_NET_ADMIN over the {name}; run as root") from error
    try:
        inode, own = os.fstat(file).st_ino, os.stat(_OWN).st_ino
        if pid and inode == own:
            told = f"process {pid} has no network namespace of its own; leave the pid out if this whole host is meant"
            raise Refused(GUARD, told)
        by_user = needs_user(file, name, own=inode == own)
        cookie = 0 if by_user else _cookie(file)
        place = Place(name, path, inode, cookie, boot_id(), by_user)
    except OSError as error:
        raise Refused(GUARD, f"{name}: {path} is no network namespace ({error.strerror or error})") from error
    finally:
        os.close(file)
    return place


def run_in(place: Place, argv: Sequence[str], *, stdin: str = "", deadline_s: float = DEADLINE_S) -> str:
    """Run a program in a place and return what it printed.

    Args:
        place: where
        argv: the program, looked for also where those of the administrator lie, and its arguments
        stdin: what it reads
        deadline_s: seconds until it is killed

    Raises:
        Gone: that very namespace is no more.
        ProgramFailed: the program said no, or did not end in time; its own words are in the message.
        Missing: there is no such program.
    """
    return finish(start_in(place, argv), argv, stdin=stdin, deadline_s=deadline_s)


def start_in(place: Place, argv: Sequence[str], **more: Any) -> subprocess.Popen[str]:
    """Start a program in a place and return its `Popen`; `more` goes to `Popen`, whose three pipes are text.

    Raises:
        Gone: that very namespace is no more.
        Missing: there is no such program.
    """
    file = open_place(place)
    try:
        return start_at(file, place, argv, **more)
    finally:
        os.close(file)


def start_at(file: int, place: Place, argv: Sequence[str], **more: Any) -> subprocess.Popen[str]:
    """Start a program in a place that is open already, as `start_in` does.

    Raises:
        Missing: there is no such program.
    """
    if place.by_user and not _is_same(file, _OWN):
        return _start_by_user(file, argv, more)
    return within(file, lambda: start(argv, **more))


def _number(pid: int | str) -> int:
    """Return a pid that may come as text, from `--var`.

    Raises:
        BadUsage: it is no number.
    """
    try:
        return int(pid or 0)
    except ValueError as error:
        raise BadUsage(f"pid: {pid!r} is no number") from error


def _named(netns: str, pid: int) -> tuple[str, str]:
    """Return a place's name for people and its file.

    Raises:
        BadUsage: both are given, or one of them cannot be one.
        Refused: there is no such process.
    """
    if netns and pid:
        raise BadUsage("give either netns or pid")
    if pid < 0:
        raise BadUsage(f"pid: {pid} is no process")
    if netns:
        if "/" in netns or netns in {".", ".."}:
            raise BadUsage(f"netns: {netns!r} is no name of a network namespace; `ip netns list` shows them")
        return f"network namespace {netns}", f"/run/netns/{netns}"
    if not pid:
        return "this host", _OWN
    if identify(pid) is None:
        raise Refused(GUARD, f"there is no process {pid}")
    comm = Path(f"/proc/{pid}/comm").read_text(errors="replace").strip()
    return f"network namespace of process {pid} ({comm})", f"/proc/{pid}/ns/net"


def _hint(netns: str) -> str:
    return "; `ip netns list` shows those that there are" if netns else ""


def open_place(place: Place) -> int:
    """Open that very namespace, through whoever holds it; the caller closes the file.

    Raises:
        Gone: nobody does.
    """
    if place.boot == boot_id():
        for path in holders(place.path, place.inode):
            try:
                file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            except OSError:
                continue
            if _is(place, file):
                return file
            os.close(file)
    raise Gone(f"{place.name} is gone")


def _is(place: Place, file: int) -> bool:
    if os.fstat(file).st_ino != place.inode:
        return False
    return not place.cookie or _cookie(file) == place.cookie


def _is_same(file: int, path: str) -> bool:
    return os.path.samestat(os.fstat(file), os.stat(path))


def _cookie(file: int) -> int:
    """Return the kernel's number for a namespace, or 0 where it does not tell."""

    def ask() -> int:
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                return int.from_bytes(probe.getsockopt(socket.SOL_SOCKET, _SO_NETNS_COOKIE, 8), "little")
            except OSError:
                return 0

    return within(file, ask)


def within[R](file: int, work: Callable[[], R]) -> R:
    """Do something in a namespace: in a thread of its own, for a thread that entered it must not be used again."""
    if _is_same(file, _OWN):
        return work()

    def enter() -> R:
        os.setns(file, os.CLONE_NEWNET)
        return work()

    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(enter).result()


def _start_by_user(file: int, argv: Sequence[str], more: dict[str, Any]) -> subprocess.Popen[str]:
    """Start a program through the user namespace: only a process with one thread, as nsenter is, may enter that."""
    user = owner_of(file)
    try:
        way = ["nsenter", f"--user=/proc/self/fd/{user}", f"--net=/proc/self/fd/{file}", "--preserve-credentials", "--"]
        return start([*way, *argv], pass_fds=(user, file, *more.pop("pass_fds", ())), **more)
    finally:
        os.close(user)
