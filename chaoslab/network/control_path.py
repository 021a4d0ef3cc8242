"""The connections over which the run itself is held: a fault on this host must never cut them."""

import os
import re
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from chaoslab.core.errors import Refused
from chaoslab.network.matching import Addresses, Ports
from chaoslab.runtime.places import home_folder

GUARD = "control-path"
_MANY_PORTS = 1000
_RESOLVE_S = 2.0
_LOOPBACK = ("127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Lifeline:
    """One connection of the run, or one that it will make. What is not known fits every selection."""

    what: str
    """For people: `your SSH session`."""
    peer: str = ""
    peer_port: int = 0
    own: str = ""
    own_port: int = 0
    host: str = ""
    """The name by which it is reached."""


def refuse_block(direction: str, ports: Ports, peers: Addresses) -> None:
    """Refuse to block ports on this host when that hits a connection of the run, or nearly all of loopback.

    Args:
        direction: `out`, `in` or `both`
        ports: the ports that packets are sent to
        peers: the other sides

    Raises:
        Refused: it does; says how to narrow it.
    """
    for line in lifelines():
        ways = [("out", line.peer_port), ("in", line.own_port)]
        hit = any(direction in {way, "both"} and port in ports for way, port in ways if port)
        if hit and _fits(line.peer, peers):
            raise Refused(GUARD, f"that would cut {line.what}; leave its port out, or name peers without it")
    if ports.count > _MANY_PORTS and any(address in peers for address in _LOOPBACK):
        told = f"{ports.count} ports of loopback are nearly all that this machine says to itself"
        raise Refused(GUARD, f"{told}; name the ports or the peers that are meant")


def refuse_partition(left: Addresses, right: Addresses, ports: Ports) -> None:
    """Refuse to part two sides on this host when that hits a connection of the run, or all of loopback.

    Args:
        left: one side; without networks: this host itself
        right: the other
        ports: only the packets to or from these

    Raises:
        Refused: it does; says how to narrow it.
    """
    for line in lifelines():
        if not any(port in ports for port in (line.peer_port, line.own_port)):
            continue
        for near, far in ((left, right), (right, left)):
            if far.networks and _fits(line.own, near) and _fits(line.peer, far):
                raise Refused(
                    GUARD, f"that would cut {line.what}; leave its address out, or name ports without its own"
                )
    if not ports.ranges and any(address in left and address in right for address in _LOOPBACK):
        told = "that is all of loopback, over which this machine talks to itself"
        raise Refused(GUARD, f"{told}; name the ports that are meant")


def refuse_names(meant: Callable[[str], bool]) -> None:
    """Refuse to break names on this host by which the run steers.

    Raises:
        Refused: one is meant.
    """
    for line in lifelines():
        if line.host and meant(line.host):
            raise Refused(GUARD, f"that would cut {line.what}; leave its name out")


def lifelines() -> list[Lifeline]:
    """Return the connections that hold the run: SSH sessions, and servers that it is told to steer."""
    return [*_ssh(), *_docker(os.environ), *_kubernetes(os.environ)]


def _fits(address: str, selection: Addresses) -> bool:
    return not address or address in selection


def _ssh() -> Iterator[Lifeline]:
    """Yield the SSH sessions that this process or one that started it was started in: sudo hides them from us alone."""
    seen: set[str] = set()
    for environment in _environments():
        words = environment.get("SSH_CONNECTION", "").split()
        if len(words) == 4 and environment["SSH_CONNECTION"] not in seen:
            seen.add(environment["SSH_CONNECTION"])
            line = Lifeline("your SSH session", words[0].partition("%")[0], int(words[1]), words[2], int(words[3]))
            yield line


def _docker(environment: Mapping[str, str]) -> Iterator[Lifeline]:
    yield from _server("the Docker daemon at", environment.get("DOCKER_HOST", ""), 2375)


def _kubernetes(environment: Mapping[str, str]) -> Iterator[Lifeline]:
    host = environment.get("KUBERNETES_SERVICE_HOST", "")
    if host:
        port = environment.get("KUBERNETES_SERVICE_PORT", "443")
        yield from _server("the Kubernetes API at", f"https://{f'[{host}]' if ':' in host else host}:{port}", 443)
    files = environment.get("KUBECONFIG") or str((home_folder() or Path("/")) / ".kube" / "config")
    for name in files.split(os.pathsep):
        try:
            text = Path(name).read_text(errors="replace")
        except OSError:
            continue
        for url in re.findall(r"^\s*\"?server\"?:\s*[\"']?(https?://[^\s\"',]+)", text, re.MULTILINE):
            yield from _server("the Kubernetes API at", url, 443)


def _server(what: str, url: str, port: int) -> Iterator[Lifeline]:
    """Yield a server that is reached over the network, once for each address; a name that leads nowhere fits all."""
    try:
        parts = urlsplit(url)
        port = parts.port or (22 if parts.scheme == "ssh" else port)
    except ValueError:
        return
    if parts.scheme not in {"tcp", "http", "https", "ssh"} or not parts.hostname:
        return
    for address in _addresses(parts.hostname) or [""]:
        yield Lifeline(f"{what} {parts.hostname}:{port}", address, port, host=parts.hostname)


def _addresses(host: str) -> list[str]:
    """Return the addresses of a host, or none when nobody tells them soon."""
    found: list[str] = []

    def ask() -> None:
        with suppress(OSError):
            found.extend(str(answer[4][0]) for answer in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM))

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(_RESOLVE_S)
    return [address.partition("%")[0] for address in found]


def _environments() -> Iterator[Mapping[str, str]]:
    """Yield the environments of this process and of those it descends from, as far as we may look."""
    yield os.environ
    pid = os.getppid()
    while pid > 1:
        try:
            blob = Path(f"/proc/{pid}/environ").read_bytes()
            status = Path(f"/proc/{pid}/stat").read_text(errors="replace")
        except OSError:
            return
        pairs = (entry.partition("=") for entry in blob.decode(errors="replace").split("\0"))
        yield {name: value for name, _, value in pairs}
        pid = int(status.rpartition(")")[2].split()[1])
