"""A small DNS responder: it breaks the answers for some names, and passes all other questions on to the real server.

It runs in the network namespace that is hit, as a process of its own: `python -m chaoslab.network.dns_responder TABLE`,
with its order as JSON on standard input. It prints its ports once it listens, and goes into the background. TABLE names
the fault, so that the undo finds the process even if whoever started it died in the same moment.
"""

import asyncio
import json
import os
import resource
import socket
import sys
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from chaoslab.network.dns_names import Names

_LARGEST = 65535
_REAL_ANSWER_S = 10.0
_GRACE_S = 5.0
"""How much longer than its fault it lives: the rules that bring it questions must be gone first."""
_WAITING_CLIENTS = 1024
_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
_LOOPBACK = {4: "127.0.0.1", 6: "::1"}


@dataclass(slots=True)
class Order:
    """What to do to whom."""

    kind: str
    """no_answer, error, slow, wrong_address"""
    names: list[str]
    servers: list[tuple[str, int, int]]
    """The real ones: address, port, IP version."""
    mark: int
    """On what we pass on, so that it is not brought back to us."""
    status: str
    """Where to count the questions that were hit."""
    ttl_s: float
    rcode: str = ""
    delay_s: float = 0.0
    addresses: list[str] = field(default_factory=list)


class Responder:
    """Answers, or does not."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._names = Names(tuple(order.names))
        self._hits = 0
        self._status = os.open(order.status, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        self._count()  # takes its room on the disk: were that full later, a question to be hit would get no answer

    @property
    def order(self) -> Order:
        """What it does to whom."""
        return self._order

    async def answer(self, wire: bytes, server: tuple[str, int, int], *, stream: bool) -> bytes:
        """Return the answer to a question, or nothing where there is to be none."""
        question = question_of(wire)
        if question is None or not self._names.mean(question.question[0].name.to_text()):
            return await self._real(wire, server, stream)
        match self._order.kind:
            case "wrong_address" if question.question[0].rdtype not in {dns.rdatatype.A, dns.rdatatype.AAAA}:
                return await self._real(wire, server, stream)
            case "wrong_address":
                answer = self._wrong(question)
            case "error":
                answer = dns.message.make_response(question, recursion_available=True)
                answer.set_rcode(dns.rcode.from_text(self._order.rcode))
            case "slow":
                self._hit()
                await asyncio.sleep(self._order.delay_s)
                return await self._real(wire, server, stream)
            case _:
                self._hit()
                return b""
        self._hit()
        return answer.to_wire()

    def _wrong(self, question: dns.message.Message) -> dns.message.Message:
        """Answer with the wrong address; its time to live is 0, so that no cache keeps it beyond the fault."""
        answer = dns.message.make_response(question, recursion_available=True)
        asked = question.question[0]
        version6 = asked.rdtype == dns.rdatatype.AAAA
        texts = [address for address in self._order.addresses if (":" in address) == version6]
        if texts:
            kind = dns.rdatatype.to_text(asked.rdtype)
            answer.answer.append(dns.rrset.from_text(asked.name, 0, "IN", kind, *texts))
        return answer

    def _hit(self) -> None:
        self._hits += 1
        self._count()

    def _count(self) -> None:
        os.pwrite(self._status, f"{self._hits}\n".encode(), 0)

    async def _real(self, wire: bytes, server: tuple[str, int, int], stream: bool) -> bytes:
        """Ask the real server; where it is silent, so are we."""
        address, port, version = server
        loop = asyncio.get_running_loop()
        try:
            line = socket.socket(_FAMILIES[version], socket.SOCK_STREAM if stream else socket.SOCK_DGRAM)
        except OSError:  # more clients than there may be open files
            return b""
        try:
            line.setblocking(False)
            line.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, self._order.mark)
            async with asyncio.timeout(_REAL_ANSWER_S):
                await loop.sock_connect(line, (address, port))
                if not stream:
                    await loop.sock_sendall(line, wire)
                    return await loop.sock_recv(line, _LARGEST)
                await loop.sock_sendall(line, len(wire).to_bytes(2) + wire)
                return await _whole(loop, line)
        except OSError:  # a TimeoutError too
            return b""
        finally:
            line.close()

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: Any) -> None:
        """Answer the questions of one TCP connection, a slow one holding up no other; keep it until the client goes."""
        answers = Tasks()
        try:
            while True:
                wire = await reader.readexactly(int.from_bytes(await reader.readexactly(2)))
                answers.start(self._write(wire, writer, server))
        except (OSError, asyncio.IncompleteReadError):
            await answers.ended()  # a client may have told only that it asks nothing more
        finally:
            writer.close()

    async def _write(self, wire: bytes, writer: asyncio.StreamWriter, server: Any) -> None:
        if answer := await self.answer(wire, server, stream=True):
            writer.write(len(answer).to_bytes(2) + answer)
            await writer.drain()


def question_of(wire: bytes) -> dns.message.Message | None:
    """Return a question, or None for what is none.

    What follows the question may be wrong, or signed by a key that is unknown here: real servers answer all the same.
    """
    for question_only in (False, True):
        try:
            found = dns.message.from_wire(wire, question_only=question_only)
        except dns.exception.DNSException:
            continue
        return found if found.question and not found.flags & dns.flags.QR else None
    return None


class Tasks:
    """Answers under way."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, answering: Coroutine[Any, Any, None]) -> None:
        """Go on with it in the background."""
        task = asyncio.get_running_loop().create_task(answering)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def ended(self) -> None:
        """Wait until all are given, or cannot be."""
        await asyncio.gather(*self._tasks, return_exceptions=True)


class Datagrams(asyncio.DatagramProtocol):
    """One UDP port, which stands for one real server."""

    def __init__(self, responder: Responder, server: tuple[str, int, int]) -> None:
        self._responder, self._server, self._answers = responder, server, Tasks()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport: Any = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """Answer in a task of its own: a slow answer holds up no other."""
        self._answers.start(self._reply(data, addr))

    async def _reply(self, data: bytes, addr: Any) -> None:
        if answer := await self._responder.answer(data, self._server, stream=False):
            self._transport.sendto(answer, addr)


async def _whole(loop: asyncio.AbstractEventLoop, line: socket.socket) -> bytes:
    """Read one message of a TCP stream."""
    data = b""
    while len(data) < 2 or len(data) < 2 + int.from_bytes(data[:2]):
        piece = await loop.sock_recv(line, _LARGEST)
        if not piece:
            raise ConnectionResetError
        data += piece
    return data[2:]


def listen(version: int) -> tuple[socket.socket, socket.socket]:
    """Return sockets for UDP and TCP on one free port of loopback."""
    while True:
        udp = socket.socket(_FAMILIES[version], socket.SOCK_DGRAM)
        udp.bind((_LOOPBACK[version], 0))
        tcp = socket.socket(_FAMILIES[version], socket.SOCK_STREAM)
        try:
            tcp.bind(udp.getsockname()[:2])
        except OSError:  # somebody else has that number for TCP
            udp.close()
            tcp.close()
            continue
        return udp, tcp


async def serve(responder: Responder, sockets: list[tuple[socket.socket, socket.socket]]) -> None:
    """Serve until the fault's time is over."""
    loop, order = asyncio.get_running_loop(), responder.order
    for server, (udp, tcp) in zip(order.servers, sockets, strict=True):

        async def talk(reader: Any, writer: Any, server: Any = server) -> None:
            await responder.talk(reader, writer, server)

        await loop.create_datagram_endpoint(lambda server=server: Datagrams(responder, server), sock=udp)  # type: ignore[misc]
        await asyncio.start_server(talk, sock=tcp, backlog=_WAITING_CLIENTS)
    await asyncio.sleep(order.ttl_s + _GRACE_S)


def main() -> None:
    """Listen, tell the ports, and serve in the background."""
    order = Order(**json.load(sys.stdin))  # torn when whoever started us died: then we end here
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # each client that waits needs one or two
    try:
        responder = Responder(order)  # what keeps it from serving is told here, before any question is brought to it
    except OSError as error:
        sys.exit(f"cannot write {order.status}: {error.strerror}")
    sockets = [listen(version) for _, _, version in order.servers]
    if os.fork():
        print(json.dumps([udp.getsockname()[1] for udp, _ in sockets]), flush=True)  # noqa: T201 - that is its answer
        os._exit(0)
    os.setsid()
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nowhere, number)
    asyncio.run(serve(responder, sockets))


if __name__ == "__main__":
    main()
