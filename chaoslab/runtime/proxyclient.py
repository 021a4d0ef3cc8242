"""Tell a running proxy of ours what to do, over its control socket: of TCP or of HTTP, they are told alike."""

from __future__ import annotations

import http.client
import json
import os
import socket
from pathlib import Path
from typing import Any
from urllib.parse import quote

from chaoslab.core.errors import ChaoslabError

TIMEOUT_S = 5.0


class ProxyGone(ChaoslabError):
    """The proxy does not answer. Its toxics are gone with it: they live in its memory alone."""


class ProxyRefused(ChaoslabError):
    """The proxy answered that it will not do this, and why."""


class ProxyClient:
    """Speaks to one proxy. Holds no connection: every call stands alone, also after a restart of the proxy."""

    def __init__(self, control: str | Path, *, timeout_s: float = TIMEOUT_S) -> None:
        """Take the path of the proxy's control socket.

        Args:
            control: as the proxy was told with `--control`
            timeout_s: seconds that a call may take
        """
        self.control = Path(control)
        self._timeout_s = timeout_s

    def state(self) -> dict[str, Any]:
        """Return where it listens, whom it serves, its open connections and its toxics.

        Raises:
            ProxyGone: it does not answer.
        """
        return dict(self._call("GET", "/"))

    def toxics(self) -> dict[str, dict[str, Any]]:
        """Return the toxics that stand, by name.

        Raises:
            ProxyGone: it does not answer.
        """
        return dict(self._call("GET", "/toxics"))

    def add(self, name: str, kind: str, *, ttl_s: float | None = None, **parameters: Any) -> dict[str, Any]:
        """Add a toxic, or replace the one of this name, and return it as the proxy understood it.

        Args:
            name: yours; to remove it by
            kind: one that this proxy knows
            ttl_s: seconds after which the proxy removes it on its own
            parameters: of the kind

        Raises:
            ProxyGone: it does not answer.
            ProxyRefused: there is no such kind or parameter.
        """
        toxic = {"kind": kind, **parameters} | ({} if ttl_s is None else {"ttl_s": ttl_s})
        return dict(self._call("PUT", f"/toxics/{quote(name, safe='')}", toxic))

    def remove(self, name: str) -> None:
        """Remove a toxic. Harmless when it is gone already.

        Raises:
            ProxyGone: the proxy does not answer.
        """
        self._call("DELETE", f"/toxics/{quote(name, safe='')}")

    def _call(self, method: str, target: str, content: Any = None) -> Any:
        connection = _UnixConnection(self.control, self._timeout_s)
        try:
            connection.request(method, target, None if content is None else json.dumps(content))
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException) as broken:
            why = str(broken) or type(broken).__name__
            raise ProxyGone(f"the proxy at {self.control} does not answer: {why}") from broken
        finally:
            connection.close()
        content = json.loads(body) if body else None
        if answer.status >= http.client.BAD_REQUEST:
            raise ProxyRefused(f"the proxy refused {method} {target}: {content['error']}")
        return content


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("proxy", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        """Open the socket, through /proc because the kernel allows paths of 107 bytes only."""
        folder = os.open(self._path.parent, os.O_PATH | os.O_DIRECTORY)
        try:
            self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.sock.settimeout(self.timeout)
            self.sock.connect(f"/proc/self/fd/{folder}/{self._path.name}")
        finally:
            os.close(folder)
