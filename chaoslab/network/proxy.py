"""A TCP proxy that can be told to misbehave: the way to network faults without root.

    python -m chaoslab.network.proxy --listen 127.0.0.1:0 --upstream 127.0.0.1:5432 --control DIR/proxy.sock

It stands between a service and what the service talks to. `chaoslab.runtime.proxyclient` adds and removes toxics over
the control socket. A toxic's time-to-live is the proxy's own business: it heals even when everything else is dead.
"""

from __future__ import annotations

import asyncio
import os
import random
import socket
from collections.abc import Mapping, Sequence
from typing import Any

from chaoslab.network.conditions import Conditions
from chaoslab.network.connection import LINGER_RESET, Connection
from chaoslab.network.toxics import parse
from chaoslab.runtime.proxycontrol import ProxyArguments, arguments_of, play, serve_controlled

BACKLOG = 512
CONNECT_S = 10.0
ACCEPT_PAUSE_S = 0.1
"""How long to wait after accept failed, for example because no file descriptor is left."""


class Proxy:
    """Listens, carries connections to the upstream, and applies the conditions to them."""

    def __init__(self, listen: tuple[str, int], upstream: tuple[str, int], *, connect_s: float = CONNECT_S) -> None:
        """Take the addresses; nothing is opened yet.

        Args:
            listen: host and port; port 0 lets the kernel choose
            upstream: host and port of the server
            connect_s: seconds that connecting to the server may take
        """
        self.upstream = upstream
        self.conditions = Conditions(self._on_change)
        self._connect_s = connect_s
        self._chance = random.Random()  # noqa: S311 - jitter, not a secret
        self._open: dict[asyncio.Task[None], Connection] = {}
        self._totals = {"accepted": 0, "reset": 0}
        self._socket = _bound(listen)
        self._accepting: asyncio.Task[None] | None = None

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        host, port = self._socket.getsockname()[:2]
        return str(host), int(port)

    def start(self) -> None:
        """Begin to accept connections, unless they are to be refused."""
        self._on_change()

    def state(self) -> dict[str, Any]:
        """Return what it does, for people and for probes."""
        return {
            "protocol": "TCP",
            "pid": os.getpid(),
            "listen": "{}:{}".format(*self.address),
            "upstream": "{}:{}".format(*self.upstream),
            "connections": len(self._open),
            **self._totals,
            **self.conditions.state(),
        }

    def put(self, name: str, data: Mapping[str, Any]) -> dict[str, Any]:
        """Add a toxic, or replace the one of this name, and return it as it was understood.

        Raises:
            ValueError: there is no such toxic; says what would be right.
        """
        return self.conditions.put(parse(name, data))

    def remove(self, name: str) -> bool:
        """Remove a toxic, and return whether it stood."""
        return self.conditions.remove(name)

    def _on_change(self) -> None:
        """Make the listening socket and the open connections obey the toxics that stand now."""
        for task, connection in self._open.items():
            if self.conditions.has("reset", connection.lots):
                connection.reset()
                task.cancel()
                self._note_reset(connection)
        if self.conditions.has("refuse"):
            self._stop_accepting()
        elif self._accepting is None:
            self._socket.listen(BACKLOG)
            self._accepting = asyncio.get_running_loop().create_task(self._accept())

    def _note_reset(self, connection: Connection) -> None:
        self._totals["reset"] += 1
        self.conditions.meet_kind("reset", connection.lots)

    def _stop_accepting(self) -> None:
        if self._accepting is None:
            return
        self._accepting.cancel()
        self._accepting = None
        # On Linux this ends listening and keeps the port: clients are refused, and nobody else can take it.
        self._socket.shutdown(socket.SHUT_RD)

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                client, _ = await loop.sock_accept(self._socket)
            except OSError:
                await asyncio.sleep(ACCEPT_PAUSE_S)
                continue
            self._totals["accepted"] += 1
            connection = Connection(
                self.conditions, upstream=self.upstream, connect_s=self._connect_s, chance=self._chance
            )
            if self.conditions.has("reset", connection.lots):
                self._note_reset(connection)
                with client:
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_RESET)
                continue
            task = loop.create_task(connection.serve(client))
            self._open[task] = connection
            task.add_done_callback(self._open.pop)


def _bound(address: tuple[str, int]) -> socket.socket:
    """Return a socket that owns its port by number: only then does the kernel leave it ours while we refuse."""
    host, port = address
    if port == 0:
        with socket.create_server((host, 0)) as finder:
            port = finder.getsockname()[1]
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((host, port))
    sock.setblocking(False)
    return sock


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the proxy from the command line."""
    play(_run, arguments_of("chaoslab.network.proxy", __doc__ or "", arguments))


async def _run(given: ProxyArguments) -> None:
    proxy = Proxy(given.listen, given.upstream)
    proxy.start()
    await serve_controlled(proxy, given.control, given.state)


if __name__ == "__main__":
    main()
