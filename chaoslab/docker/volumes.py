"""The disk of a container filled: a file of ours in a folder of it, until no more than a floor is free."""

from __future__ import annotations

import hashlib
import shlex
from pathlib import PurePosixPath
from typing import Any

from chaoslab.core.errors import BadUsage, ChaoslabError, Refused
from chaoslab.core.units import format_size
from chaoslab.docker.client import GUARD, SDK, talking
from chaoslab.docker.inside import dismissal, run_inside, set_watch
from chaoslab.docker.leftovers import remove_from_here
from chaoslab.docker.running import refuse_paused
from chaoslab.docker.target import (
    Container,
    attrs_now,
    claims_of,
    containers_of,
    data_of,
    describe,
    identity,
    is_here,
    must_run,
    select,
)
from chaoslab.resource.filling import PREFIX, Disk, asked_of, is_as_full, told_of, wanted_bytes
from chaoslab.runtime.arguments import time_to_live
from chaoslab.runtime.fault import Data, Fault, Pinned

_FILL_S = 300.0
_MOST = 256 << 30
_ROOM = """
cd {path} || exit
[ -w . ] || {{ echo {path} is read-only; exit 1; }}
df -P -k . | {{ read -r _; read -r _ _ used free _; echo $used $free; }}
"""
_FILL = """
set -eC
cd {path}
: >{name}
fallocate -l {size} {name} 2>/dev/null || head -c {size} /dev/zero >|{name}
"""
_TAKEN = "[ ! -s {path}/{name} ] || du -k {path}/{name}"


def _fill(data: Data) -> dict[str, Any]:
    taken: dict[str, int] = {}
    with talking(data["docker"], timeout_s=_FILL_S) as client:
        for wanted in containers_of(data):
            must_run(client, wanted)
            size = wanted_bytes(_disk(client, wanted, data["path"]), data, _place(wanted, data))
            words = {"path": shlex.quote(data["path"]), "name": data["file"], "size": size}
            set_watch(client, wanted, data["tag"], _removal(data), ttl_s=data["ttl_s"])
            run_inside(client, wanted, _FILL.format(**words))
            taken[wanted.name] = size
    return {"taken_bytes": taken}


def _is_full(data: Data) -> bool:
    """Ask the file system, from within the container, whether no more is free than was to be left."""
    with talking(data["docker"]) as client:
        return all(_is_full_in(client, wanted, data) for wanted in containers_of(data))


def _is_full_in(client: Any, wanted: Container, data: Data) -> bool:
    told = run_inside(client, wanted, _TAKEN.format(path=shlex.quote(data["path"]), name=data["file"])).split()
    return bool(told) and is_as_full(_disk(client, wanted, data["path"]), data, taken=int(told[0]) << 10)


def _make_room(data: Data) -> None:
    """Remove the file, also from a container that was started anew, or that does not run."""
    with talking(data["docker"]) as client:
        for wanted in containers_of(data):
            attrs = attrs_now(client, wanted)
            if not attrs:
                continue
            if attrs["State"]["Running"] and not attrs["State"]["Paused"]:
                run_inside(client, wanted, f"{_removal(data)}\n{dismissal(data['tag'])}")
            elif attrs["State"]["Paused"]:
                raise ChaoslabError(f"{wanted.text} is paused: its disk can be cleared when it goes on")
            elif wanted.id not in data.get("here", ()) or not remove_from_here(attrs, f"{data['path']}/{data['file']}"):
                raise ChaoslabError(f"{wanted.text} does not run, and its disk is not here: start it, then undo again")


FILL = Fault(
    inject=_fill, effective=_is_full, undo=_make_room, effective_within_s=15.0, undo_deadline_s=60.0, loads=SDK
)


@FILL.action
def fill_volume(
    container: str = "",
    folder: str = "",
    *,
    share: str = "",
    size: str = "",
    floor: str = "256MiB",
    labels: str = "",
    compose: str = "",
    which: str = "",
    docker: str = "",
    ttl: str = "60s",
) -> Pinned:
    """Fill the file system of a folder in a container with one file, as logs or uploads that nobody clears do.

    Args:
        container: its name, the beginning of its id, or `re:` and a pattern of names
        folder: in the container, such as the mount point of a volume
        share: how much of the file system shall be used, such as `95%`
        size: how much to take, such as `1GiB`, instead of the share
        floor: how much must stay free
        labels, compose, which, docker: which containers, and whose, as for `chaoslab.docker.actions.pause`
        ttl: how long it may stay full without the runner's word

    Blast radius: whoever writes to this file system; a volume without a size of its own is its whole machine's disk.
    Undo: the file is removed, also from a container started anew; from a stopped one where its disk lies here.
    Effective when: the file system says in the container that no more than that is free, or that the size is taken.

    Raises:
        BadUsage: an argument makes no sense.
        Refused: no such folder, as full already, the floor cannot be kept, no shell in it, or as for `pause`.
    """
    ttl_s, place = time_to_live(ttl), PurePosixPath(folder)
    if not place.is_absolute() or ".." in place.parts:
        raise BadUsage(f"folder: {folder or 'nothing'} is no absolute path in the container")
    asked = _asked(str(place), share, size, floor)
    address, chosen = select(container, labels=labels, compose=compose, which=which, docker=docker)
    refuse_paused(chosen)
    data = data_of(address, chosen) | asked | {"ttl_s": ttl_s} | _names(chosen, asked)
    with talking(address) as client:
        for attrs in chosen:
            wanted = identity(attrs)
            wanted_bytes(_disk_or_refuse(client, wanted, data["path"]), data, _place(wanted, data))
    target = f"{place} filled {told_of(asked)} in {describe(chosen)}"
    return Pinned(target, data, ttl_s, claims_of(chosen, data["file"]))


def _asked(path: str, share: str, size: str, floor: str) -> dict[str, Any]:
    """Return what is asked for, as JSON.

    Raises:
        BadUsage: it makes no sense.
    """
    asked = {"path": path, **asked_of(share, size, floor)}
    if asked["size"] > _MOST:
        raise BadUsage(f"size: must be at most {format_size(_MOST)}")
    return asked


def _names(chosen: list[Any], asked: Data) -> dict[str, Any]:
    """Return what this fault's file and watchdog are called, the same for the same fault, and whose disks are here.

    A path of the daemon's machine may be here too and mean something else: only while they run can that be told.
    """
    tag = hashlib.sha256(f"{sorted(attrs['Id'] for attrs in chosen)} {asked}".encode()).hexdigest()[:12]
    here = [one.id for one in map(identity, chosen) if is_here(one)]
    return {"tag": tag, "file": f"{PREFIX}{tag}", "here": here}


def _removal(data: Data) -> str:
    return f"rm -f {shlex.quote(data['path'])}/{data['file']} || exit 1"


def _disk_or_refuse(client: Any, container: Container, path: str) -> Disk:
    try:
        return _disk(client, container, path)
    except ChaoslabError as error:
        raise Refused(GUARD, str(error)) from error


def _place(container: Container, data: Data) -> str:
    return f"{data['path']} in {container.text}"


def _disk(client: Any, container: Container, path: str) -> Disk:
    """Return how full the file system of a folder in a container is.

    Raises:
        ChaoslabError: there is no such folder in it, no shell, or no `df`.
    """
    said = run_inside(client, container, _ROOM.format(path=shlex.quote(path))).split()
    if len(said) != 2 or not all(word.isdigit() for word in said):
        raise ChaoslabError(f"{container.text} does not tell how full {path} is: {' '.join(said) or 'no df in it'}")
    return Disk(*(int(word) << 10 for word in said))
