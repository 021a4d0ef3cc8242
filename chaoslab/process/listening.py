"""Who listens on a port: the kernel's tables of sockets, and the processes that hold them open."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from chaoslab.core.errors import BadUsage, Refused
from chaoslab.process.proc import everybody
from chaoslab.process.vital import GUARD
from chaoslab.runtime.identity import ProcessIdentity

_LISTENING = {"tcp": "0A", "udp": "07"}
"""TCP_LISTEN; a UDP socket that is connected to nobody, as a server's is, says TCP_CLOSE."""
_PORT_MAX = 65535


@dataclass(frozen=True, slots=True)
class Port:
    """A port of this network namespace, of IPv4 and IPv6 alike."""

    protocol: str
    number: int

    def __str__(self) -> str:
        """Return it as catalog files have it."""
        return f"{self.protocol}:{self.number}"


def port_of(text: str) -> Port:
    """Read `8080`, `tcp:8080` or `udp:53`.

    Raises:
        BadUsage: it is none of these.
    """
    match = re.fullmatch(r"(?:(tcp|udp):)?([0-9]{1,5})", text)
    if match is None or not 0 < int(match[2]) <= _PORT_MAX:
        raise BadUsage(f"port: {text!r} is no port; write 8080, tcp:8080 or udp:53")
    return Port(match[1] or "tcp", int(match[2]))


def listeners(port: Port) -> list[ProcessIdentity]:
    """Return the processes that hold a socket which listens on a port.

    Raises:
        Refused: somebody listens there, but this user may not see who.
    """
    sockets = {f"socket:[{inode}]": uid for inode, uid in _sockets(port)}
    found = [process for process in everybody() if sockets.keys() & set(_open_files(process.pid))]
    if sockets and not found:
        owner = next(iter(sockets.values()))
        raise Refused(GUARD, f"a process of user {owner} listens on {port}, and only that user or root may see which")
    return found


def _sockets(port: Port) -> Iterator[tuple[str, str]]:
    """Yield inode and user of every listening socket."""
    for family in (port.protocol, f"{port.protocol}6"):
        table = Path("/proc/net", family)
        for line in table.read_text().splitlines()[1:] if table.exists() else ():
            words = line.split()
            is_here = int(words[1].rpartition(":")[2], 16) == port.number
            if is_here and words[3] == _LISTENING[port.protocol]:
                yield words[9], words[7]


def _open_files(pid: int) -> Iterator[str]:
    try:
        numbers = os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return
    for number in numbers:
        try:
            yield os.readlink(f"/proc/{pid}/fd/{number}")
        except OSError:
            continue  # closed, or ended, meanwhile
