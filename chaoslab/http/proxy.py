"""An HTTP proxy that can be told to fail, delay or abort some of the requests: by method, route and share.

    python -m chaoslab.http.proxy --listen 127.0.0.1:0 --upstream 127.0.0.1:8083 --control DIR/proxy.sock

It stands between a service and one that it asks, both of them without TLS. Its rules are added and removed over the
control socket, as `toxics`. A rule's time-to-live is the proxy's own business: it heals even when everything else is
dead.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from typing import Any

from chaoslab.http.carrying import Carrier
from chaoslab.http.message import HEAD_MAX_BYTES
from chaoslab.http.rules import Rules, parse
from chaoslab.runtime.proxycontrol import ProxyArguments, arguments_of, play, serve_controlled

BACKLOG = 512
CONNECT_S = 10.0


class HttpProxy:
    """Listens, carries requests to the upstream, and applies the rules to them."""

    def __init__(self, upstream: tuple[str, int], *, connect_s: float = CONNECT_S) -> None:
        """Take the server; nothing is opened yet.

        Args:
            upstream: its host and port
            connect_s: seconds that connecting to it may take
        """
        self.rules = Rules()
        self._upstream = upstream
        self._connect_s = connect_s
        self._listen = ("", 0)
        self._open: set[Carrier] = set()
        self._over = 0
        """Requests of clients that have left."""

    async def listen(self, at: tuple[str, int]) -> asyncio.Server:
        """Begin to serve; port 0 lets the kernel choose."""
        server = await asyncio.start_server(self._serve, *at, limit=HEAD_MAX_BYTES, backlog=BACKLOG)
        host, port = server.sockets[0].getsockname()[:2]
        self._listen = (str(host), int(port))
        return server

    def state(self) -> dict[str, Any]:
        """Return what it does, for people and for probes."""
        return {
            "protocol": "HTTP",
            "pid": os.getpid(),
            "listen": "{}:{}".format(*self._listen),
            "upstream": "{}:{}".format(*self._upstream),
            "connections": len(self._open),
            "requests": self._over + sum(carrier.requests for carrier in self._open),
            **self.rules.state(),
        }

    def put(self, name: str, data: Mapping[str, Any]) -> dict[str, Any]:
        """Add a rule, or replace the one of this name, and return it as it was understood.

        Raises:
            ValueError: there is no such rule; says what would be right.
        """
        return self.rules.put(parse(name, data))

    def remove(self, name: str) -> bool:
        """Remove a rule, and return whether it stood."""
        return self.rules.remove(name)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        carrier = Carrier(self.rules, upstream=self._upstream, connect_s=self._connect_s)
        self._open.add(carrier)
        try:
            await carrier.serve(reader, writer)
        finally:
            self._open.discard(carrier)
            self._over += carrier.requests


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the proxy from the command line."""
    play(_run, arguments_of("chaoslab.http.proxy", __doc__ or "", arguments))


async def _run(given: ProxyArguments) -> None:
    proxy = HttpProxy(given.upstream)
    server = await proxy.listen(given.listen)
    await serve_controlled(proxy, given.control, given.state)
    server.close()


if __name__ == "__main__":
    main()
