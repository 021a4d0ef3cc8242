"""The containers that are meant: found by name, id, labels or compose service, pinned by id and start."""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from chaoslab.core.errors import BadUsage, Refused
from chaoslab.docker.client import GUARD, NoContainer, address_of, talking
from chaoslab.runtime.choosing import chosen, pattern_of, several
from chaoslab.runtime.fault import Data

_PROJECT, _SERVICE = "com.docker.compose.project", "com.docker.compose.service"
_ID = re.compile(r"[0-9a-f]{4,64}")
_PATTERN = re.compile(r"re2?:(?P<pattern>.*)", re.DOTALL)
"""No name of a container has a colon in it."""


@dataclass(frozen=True, slots=True)
class Container:
    """One container, as it runs now: started again, it is another."""

    id: str
    name: str
    started: str
    """`StartedAt`: with the id it is the pid-and-start-time of a container."""
    pid: int
    """Its first process, as the daemon's machine counts."""

    @property
    def text(self) -> str:
        """What it is called for people."""
        return f"container {self.name} ({self.id[:12]})"


def select(
    container: str = "", *, labels: str = "", compose: str = "", which: str = "", docker: str = ""
) -> tuple[str, list[Any]]:
    """Return the daemon's address and the running containers that are meant, after every check that needs no touch.

    Args:
        container: a name, the beginning of an id, or `re:` and a regular expression that occurs in the name
        labels: `key=value`, or `key`, several with commas between; all must fit
        compose: `service`, or `project/service`
        which: of several that fit: `2`, `50%`, `all`, or by chance `random 7`; without it exactly one must fit
        docker: the daemon's address; without it `DOCKER_HOST`, or the usual socket

    Raises:
        BadUsage: nothing says which is meant, or the number makes no sense.
        Refused: none fits, more than are meant do, one must not be hit, or the daemon does not answer.
    """
    if not (container or labels or compose):
        raise BadUsage("say which container is meant: give container, labels or compose")
    address = address_of(docker)
    with talking(address) as client:
        running = [found.attrs for found in client.containers.list(ignore_removed=True)]
        fitting = [attrs for attrs in running if _fits(attrs, container, _labels(labels, compose))]
        if not fitting:
            raise Refused(GUARD, f"no running container {_wish(container, labels, compose)}{_why(client, container)}")
    ordered = sorted(fitting, key=name_of)
    fit = f"containers fit ({_wish(container, labels, compose)})"
    found = chosen(ordered, which, guard=GUARD, fit=fit, name=name_of)
    for attrs in found:
        _refuse_own(attrs, address)
    return address, found


def name_of(attrs: Mapping[str, Any]) -> str:
    """Return a container's name."""
    return str(attrs["Name"]).lstrip("/")


def is_named(attrs: Mapping[str, Any], container: str) -> bool:
    """Say whether a container has a name, or one in which the pattern of `re:PATTERN` occurs, or an id that begins so.

    Raises:
        BadUsage: the pattern is no regular expression, or fits every name.
    """
    if given := _PATTERN.fullmatch(container):
        return pattern_of("container", given["pattern"]).search(name_of(attrs)) is not None
    return name_of(attrs) == container or (bool(_ID.fullmatch(container)) and str(attrs["Id"]).startswith(container))


def identity(attrs: Mapping[str, Any]) -> Container:
    """Return which container, and which run of it, the daemon describes."""
    state = attrs["State"]
    return Container(attrs["Id"], name_of(attrs), state["StartedAt"], int(state["Pid"]))


def data_of(address: str, chosen: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return daemon and containers as JSON for the ledger."""
    return {"docker": address, "containers": [asdict(identity(attrs)) for attrs in chosen]}


def claims_of(chosen: Sequence[Mapping[str, Any]], what: str) -> tuple[str, ...]:
    """Return the places that a fault claims in containers: `what` is the same for whoever does the same to them."""
    return tuple(f"{what} of container {attrs['Id']}" for attrs in chosen)


def describe(chosen: Sequence[Mapping[str, Any]]) -> str:
    """Name the containers in one line."""
    return ", ".join(identity(attrs).text for attrs in chosen)


def containers_of(data: Data) -> list[Container]:
    """Return the containers that the ledger holds."""
    return [Container(**fields) for fields in data["containers"]]


def attrs_now(client: Any, wanted: Container) -> Mapping[str, Any]:
    """Return what the daemon says of a container now; of one that is gone nothing, `{}`."""
    from docker.errors import NotFound

    try:
        found: Mapping[str, Any] = client.api.inspect_container(wanted.id)
    except NotFound:
        return {}
    return found


def runs_still(attrs: Mapping[str, Any], wanted: Container) -> bool:
    """Say whether a container still runs, or is paused, since the start at which it was pinned."""
    return bool(attrs) and bool(attrs["State"]["Running"]) and attrs["State"]["StartedAt"] == wanted.started


def must_run(client: Any, wanted: Container) -> None:
    """Return when the container still runs as it was pinned.

    Raises:
        NoContainer: it ended, or was started anew.
    """
    if not runs_still(attrs_now(client, wanted), wanted):
        raise NoContainer(f"{wanted.text} ended or was started anew before it could be hit")


def is_here(wanted: Container) -> bool:
    """Say whether a container's first process is this machine's: the kernel names its control group by the id."""
    return wanted.pid > 0 and wanted.id in _read(f"/proc/{wanted.pid}/cgroup")


def _labels(labels: str, compose: str) -> dict[str, str | None]:
    pairs = [text.strip().partition("=") for text in labels.split(",") if text.strip()]
    wanted: dict[str, str | None] = {key: value if equals else None for key, equals, value in pairs}
    if labels and not pairs:
        raise BadUsage(f"labels: {labels!r} names none")
    if compose:
        project, slash, service = compose.rpartition("/")
        if not service or (slash and not project):
            raise BadUsage(f"compose: {compose!r} is neither `service` nor `project/service`")
        wanted |= {_SERVICE: service} | ({_PROJECT: project} if project else {})
    return wanted


def _fits(attrs: Mapping[str, Any], container: str, labels: Mapping[str, str | None]) -> bool:
    own = attrs["Config"].get("Labels") or {}
    named = not container or is_named(attrs, container)
    return named and all(key in own and value in (None, own[key]) for key, value in labels.items())


def _wish(container: str, labels: str, compose: str) -> str:
    given = {"is": container, "has the labels": labels, "is of the compose service": compose}
    return " and ".join(f"{words} {value}" for words, value in given.items() if value)


def _why(client: Any, container: str) -> str:
    """Say what is with a container that is there and does not run, or else which ones run."""
    everyone = client.containers.list(all=True, ignore_removed=True, sparse=True)
    for found in everyone:
        if container and container in (name.lstrip("/") for name in found.attrs.get("Names") or ()):
            return f": it is {found.attrs['State']}"
    names = sorted(found.attrs["Names"][0].lstrip("/") for found in everyone if found.attrs["State"] == "running")
    return f"; there are {several(names)}" if names else "; none runs at all"


def _refuse_own(attrs: Mapping[str, Any], address: str) -> None:
    """Refuse the container in which the run itself, or the daemon that it talks to, lives.

    Raises:
        Refused: it is one of them.
    """
    found = identity(attrs)
    if found.id in _read("/proc/self/cgroup") + _own_files():
        raise Refused(GUARD, f"{found.text} is the one in which this run lives")
    if (peer := _peer(address)) and found.id in _read(f"/proc/{peer}/cgroup"):
        raise Refused(GUARD, f"{found.text} is the one through which the Docker daemon is reached")


def _own_files() -> str:
    """Return the mounts by which a container gets its own names; their sources lie in a folder named by its id."""
    lines = _read("/proc/self/mountinfo").splitlines()
    return "\n".join(line for line in lines if line.split()[4] in {"/etc/hostname", "/etc/hosts", "/etc/resolv.conf"})


def _peer(address: str) -> int:
    """Return the pid of who listens on the daemon's socket; 0 for a daemon elsewhere."""
    if not address.startswith("unix://"):
        return 0
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(2.0)
        if client.connect_ex(address.removeprefix("unix://")):
            return 0
        told = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    return int.from_bytes(told[:4], "little")


def _read(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""
