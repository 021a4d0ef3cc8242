"""May we change a network namespace? Asked of the kernel's own facts, so that a plan can say no."""

import fcntl
import os
import struct
from pathlib import Path

from chaoslab.core.errors import Refused

GUARD = "net-admin"
_NET_ADMIN, _SYS_ADMIN = 12, 21
"""Bits of the effective capabilities, capabilities(7)."""
_NS_GET_USERNS, _NS_GET_OWNER_UID = 0xB701, 0xB704
"""ioctl_ns(2)"""


def needs_user(file: int, name: str, *, own: bool) -> bool:
    """Return whether the namespace can be entered only through the user namespace that owns it.

    Args:
        file: a file of the network namespace
        name: for people
        own: whether it is the one that we are in

    Raises:
        Refused: we may not change it at all.
    """
    try:
        owner = owner_of(file)
    except PermissionError as error:  # it belongs to a user namespace above ours
        raise _refused(name, "CAP_NET_ADMIN") from error
    try:
        capabilities = _capabilities()
        if capabilities >> _NET_ADMIN & 1:
            if own or capabilities >> _SYS_ADMIN & 1:
                return False
            raise _refused(name, "CAP_NET_ADMIN and, to enter it, CAP_SYS_ADMIN")
        if own or not _is_ours(owner):
            raise _refused(name, "CAP_NET_ADMIN")
        return True
    finally:
        os.close(owner)


def owner_of(file: int) -> int:
    """Return a file of the user namespace that owns a network namespace.

    Raises:
        PermissionError: it is above our own.
    """
    return fcntl.ioctl(file, _NS_GET_USERNS)


def _is_ours(owner: int) -> bool:
    """Say whether we made that user namespace: then we have every capability in it, once entered."""
    if os.path.samestat(os.fstat(owner), os.stat("/proc/self/ns/user")):
        return False
    answer = fcntl.ioctl(owner, _NS_GET_OWNER_UID, bytes(4))
    uid: int = struct.unpack("I", answer)[0]
    return uid == os.geteuid()


def _capabilities() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("CapEff:")), 16)


def _refused(name: str, what: str) -> Refused:
    return Refused(GUARD, f"needs {what} over {name}; run as root, or in a network namespace of your own")
