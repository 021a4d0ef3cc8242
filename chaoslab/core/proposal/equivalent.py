"""What a step of others comes to: a fault of ours in its place, or why there is none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from chaoslab.core.checks.commands import Where


class Equivalent(NamedTuple):
    """A fault of ours in place of a step."""

    function: str
    arguments: Mapping[str, Any]
    kind: str
    """What is hit: the kind of the target."""
    address: str
    lasts: bool = True
    """Whether there is something to undo."""
    decide: str = ""
    """What a person must look at."""
    configuration: Mapping[str, str] = {}
    """Values that the file needs for it."""
    pause_s: float = 0.0
    """For how long the step itself kept the fault up."""


class Unlike(ValueError):
    """There is no fault of ours that does the same; says why."""


PODMAN = "this is Podman: set DOCKER_HOST to its socket, or the argument `docker`"


def in_container(where: Where) -> dict[str, str]:
    """Return the arguments by which our faults find a container."""
    return {"compose": where.compose} if where.compose else {"container": where.container}


def in_namespace(where: Where) -> dict[str, Any]:
    """Return the arguments by which our faults find a network namespace.

    Raises:
        Unlike: a pid that is no number.
    """
    if where.netns:
        return {"netns": where.netns}
    if where.pid and not where.pid.isdecimal():
        raise Unlike("a pid that only a shell knows: name a network namespace")
    return {"pid": int(where.pid)} if where.pid else {}


def size_said(count: int) -> str:
    """Write bytes exactly, in the largest unit that fits."""
    units = (("GiB", 2**30), ("GB", 10**9), ("MiB", 2**20), ("MB", 10**6), ("KiB", 2**10), ("kB", 10**3))
    name, factor = next(((name, factor) for name, factor in units if count % factor == 0), ("B", 1))
    return f"{count // factor}{name}"
