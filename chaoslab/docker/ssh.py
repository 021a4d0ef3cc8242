"""A daemon on another machine, reached as Docker's own client does: `ssh` runs `docker system dial-stdio` there.

Docker's package can do so too, but takes paramiko for it, makes a connection for every address that it asks for, and
waits for ever where a connection has died. Here each connection is one end of a pair of sockets, so deadlines hold,
and the kernel closes it with us: then `ssh` ends, however we did.
"""

from __future__ import annotations

import re
import shlex
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import SplitResult, urlsplit

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool

_FORM = "ssh://[user@]host[:port][/path/of/its/socket]"
_CONNECT_S = 10
_END_S = 2.0
_SAID_MAX = 4000
_UNASKED = ("-T", "-o", "BatchMode=yes", "-o", f"ConnectTimeout={_CONNECT_S}", "-o", "ServerAliveInterval=5")
"""It asks nobody for a password or whether a host is known: who could answer may be away, and an undo cannot wait."""
_WARNING = re.compile(r"(?i)warning: ")


class SshAdapter(HTTPAdapter):
    """Carries requests to one daemon, over as many connections as are needed at a time."""

    def __init__(self, address: str, *, timeout_s: float) -> None:
        """Take where to go; nothing is opened yet.

        Args:
            address: `ssh://[user@]host[:port][/path/of/its/socket]`
            timeout_s: for how long each answer is waited for

        Raises:
            ValueError: that is no such address, or ssh is not installed here.
        """
        super().__init__()
        self._argv = _command(address)
        self._messages = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the adapter
        self._running: list[subprocess.Popen[bytes]] = []
        self._pool = _Pool(self, timeout_s)

    def dial(self, timeout_s: float) -> socket.socket:
        """Open a connection, which `ssh` serves."""
        ours, theirs = socket.socketpair()
        with theirs:
            ours.settimeout(timeout_s)
            # A session of its own: Ctrl-C is for us, and the undo needs the daemon after it.
            end = theirs.fileno()
            process = subprocess.Popen(self._argv, stdin=end, stdout=end, stderr=self._messages, start_new_session=True)
        self._running.append(process)
        return ours

    def said(self) -> str:
        """Return the last thing that `ssh`, or what it runs there, complained of; '' if nothing."""
        self._messages.seek(0)
        lines = self._messages.read(_SAID_MAX).decode(errors="replace").split("\n")
        told = [line.strip() for line in lines if line.strip() and not _WARNING.match(line)]
        return told[-1] if told else ""

    def close(self) -> None:
        """End every connection, those too that still carry something."""
        super().close()
        self._pool.close()
        for process in self._running:
            process.terminate()
        for process in self._running:
            with suppress(subprocess.TimeoutExpired):
                process.wait(_END_S)
                continue
            process.kill()
            process.wait()
        self._running.clear()
        self._messages.close()

    def get_connection_with_tls_context(self, *_: Any, **__: Any) -> HTTPConnectionPool:
        """Return the connections, whatever is asked of them."""
        return self._pool

    def request_url(self, request: Any, proxies: Mapping[str, str] | None) -> str:
        """Return what the daemon is asked for: no proxy stands between."""
        del proxies
        return str(request.path_url)


class _Pool(HTTPConnectionPool):
    def __init__(self, adapter: SshAdapter, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._adapter, self._timeout_s = adapter, timeout_s

    def _new_conn(self) -> HTTPConnection:
        return _Connection(self._adapter, self._timeout_s)


class _Connection(HTTPConnection):
    def __init__(self, adapter: SshAdapter, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._adapter, self._timeout_s = adapter, timeout_s

    def connect(self) -> None:
        self.sock = self._adapter.dial(self._timeout_s)


def _command(address: str) -> list[str]:
    """Return the words that reach a daemon.

    Raises:
        ValueError: it cannot be reached by them.
    """
    parts, port = _split(address)
    ssh = shutil.which("ssh")
    if not ssh:
        raise ValueError("ssh is not installed here (Debian: apt-get install openssh-client)")
    user = ["-l", parts.username] if parts.username else []
    host = ["--host", f"unix://{parts.path}"] if parts.path.strip("/") else []
    there = shlex.join(["docker", *host, "system", "dial-stdio"])
    return [ssh, *_UNASKED, *user, *(["-p", str(port)] if port else []), "--", str(parts.hostname), there]


def _split(address: str) -> tuple[SplitResult, int | None]:
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        raise ValueError(f"write {_FORM}") from None
    if not parts.hostname or parts.query or parts.fragment or parts.hostname.startswith("-"):
        raise ValueError(f"write {_FORM}")
    if parts.password is not None:
        raise ValueError(f"write {_FORM}: ssh takes no password from an address, only keys and agents")
    return parts, port
