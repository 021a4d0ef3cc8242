"""How containers are paused, killed, stopped and restarted, how one sees that they are, and how they run again."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from chaoslab.core.errors import BadUsage, Refused
from chaoslab.docker.client import GUARD, TIMEOUT_S, talking
from chaoslab.docker.frozen import is_frozen
from chaoslab.docker.target import (
    Container,
    attrs_now,
    containers_of,
    describe,
    identity,
    is_here,
    must_run,
    runs_still,
)
from chaoslab.docker.watchdog import Request, dismiss_watchdog, set_watchdog
from chaoslab.process.target import identity_of, send
from chaoslab.runtime.arguments import seconds
from chaoslab.runtime.claims import BY_WHOM
from chaoslab.runtime.clock import CLOCK
from chaoslab.runtime.fault import Data
from chaoslab.runtime.identity import identify

_GRACE_MAX_S = 300.0
_POLICIES = {"always", "unless-stopped", "on-failure"}


def freeze(data: Data) -> dict[str, Any]:
    """Pause the containers."""
    with talking(data["docker"]) as client:
        for wanted in containers_of(data):
            must_run(client, wanted)
        requests: list[Request] = [(f"/containers/{wanted.id}/unpause", {}) for wanted in containers_of(data)]
        set_watchdog(client, data, containers_of(data), requests)
        for wanted in containers_of(data):
            client.api.pause(wanted.id)
    return {"paused": [wanted.name for wanted in containers_of(data)]}


def are_frozen(data: Data) -> bool:
    """Say whether all of them are paused since the start at which they were pinned."""
    with talking(data["docker"]) as client:
        found = [(wanted, attrs_now(client, wanted)) for wanted in containers_of(data)]
    return all(
        runs_still(attrs, wanted) and bool(attrs["State"]["Paused"]) and is_frozen(wanted) for wanted, attrs in found
    )


def thaw(data: Data) -> None:
    """Let go on what is paused since its pinned start; what was started anew meanwhile is not ours."""
    with talking(data["docker"]) as client:
        for wanted in containers_of(data):
            attrs = attrs_now(client, wanted)
            if runs_still(attrs, wanted) and attrs["State"]["Paused"]:
                client.api.unpause(wanted.id)
        dismiss_watchdog(client, data)


def strike_dead(data: Data) -> dict[str, Any]:
    """Send the signal to the first process of each."""
    for wanted in containers_of(data):
        if not send(identity_of(data["processes"][wanted.id]), signal.Signals[data["signal"]]):
            raise Refused(GUARD, f"{wanted.text} ended before it could be killed")
    return {"killed": [wanted.name for wanted in containers_of(data)], "signal": data["signal"]}


def halt(data: Data) -> dict[str, Any]:
    """Stop the containers in good order."""
    with talking(data["docker"], timeout_s=TIMEOUT_S + data["grace_s"]) as client:
        for wanted in containers_of(data):
            must_run(client, wanted)
        requests: list[Request] = [(f"/containers/{wanted.id}/start", {}) for wanted in containers_of(data)]
        set_watchdog(client, data, containers_of(data), requests)
        for wanted in containers_of(data):
            client.api.stop(wanted.id, timeout=int(data["grace_s"]))
    return {"stopped": [wanted.name for wanted in containers_of(data)]}


def are_down(data: Data) -> bool:
    """Say whether each lies, or was started again by its restart policy since."""
    with talking(data["docker"]) as client:
        found = [(wanted, attrs_now(client, wanted)) for wanted in containers_of(data)]
    return all(
        not attrs or not attrs["State"]["Running"] or attrs["RestartCount"] > data["restarts"][wanted.id]
        for wanted, attrs in found
    )


def raise_up(data: Data) -> None:
    """Start what still lies; its restart policy, or somebody, may have been quicker."""
    with talking(data["docker"]) as client:
        for wanted in containers_of(data):
            attrs = attrs_now(client, wanted)
            if attrs and not attrs["State"]["Running"] and not attrs["State"]["Restarting"]:
                client.api.start(wanted.id)
        dismiss_watchdog(client, data)


def turn_over(data: Data) -> dict[str, Any]:
    """Restart the containers one after the other; return how long each was down, in seconds."""
    down: dict[str, float] = {}
    with talking(data["docker"], timeout_s=TIMEOUT_S + data["grace_s"]) as client:
        for wanted in containers_of(data):
            must_run(client, wanted)
            begin = CLOCK.mono()
            client.api.restart(wanted.id, timeout=int(data["grace_s"]))
            down[wanted.name] = round(CLOCK.mono() - begin, 3)
    return {"restarted": list(down), "down_s": down}


def are_new(data: Data) -> bool:
    """Say whether each runs since another start than the pinned one."""
    with talking(data["docker"]) as client:
        found = [(wanted, attrs_now(client, wanted)) for wanted in containers_of(data)]
    return all(
        bool(attrs) and bool(attrs["State"]["Running"]) and attrs["State"]["StartedAt"] != wanted.started
        for wanted, attrs in found
    )


def processes_of(containers: Sequence[Container]) -> dict[str, Any]:
    """Return the first process of each, which the kernel is to signal, as JSON.

    Raises:
        Refused: one of them is not this machine's, or may not be signalled.
    """
    found: dict[str, Any] = {}
    for wanted in containers:
        process = identify(wanted.pid) if is_here(wanted) and _may_signal(wanted.pid) else None
        if process is None:
            told = f"{wanted.text} cannot be signalled from here: be root on the daemon's machine, or use stop"
            raise Refused(GUARD, told)
        found[wanted.id] = asdict(process)
    return found


def leave(data: Data) -> None:
    """Undo nothing: a dead container is started again by its restart policy, which is what the exercise is to show."""


def grace_of(value: str) -> float:
    """Return how long a container has to end by itself, in seconds.

    Raises:
        BadUsage: it is no duration, or too long.
    """
    grace_s = seconds("grace", value)
    if not 0 <= grace_s <= _GRACE_MAX_S:
        raise BadUsage(f"grace: must be at most {_GRACE_MAX_S:g}s")
    return grace_s


def restarts_of(chosen: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Return how often its restart policy has started each again, up to now."""
    return {str(attrs["Id"]): int(attrs["RestartCount"]) for attrs in chosen}


def refuse_paused(chosen: Sequence[Mapping[str, Any]]) -> None:
    """Refuse containers that stand still already.

    Raises:
        Refused: one of them does.
    """
    if paused := [attrs for attrs in chosen if attrs["State"]["Paused"]]:
        raise Refused(GUARD, f"{describe(paused)} is paused already, {BY_WHOM}; unpause it first")


def refuse_passing(chosen: Sequence[Mapping[str, Any]]) -> None:
    """Refuse containers that are removed as soon as they end: nothing could start them again.

    Raises:
        Refused: one of them is.
    """
    if passing := [attrs for attrs in chosen if attrs["HostConfig"].get("AutoRemove")]:
        raise Refused(GUARD, f"{describe(passing)} is removed when it ends (--rm): nothing could start it again")


def refuse_unsupervised(chosen: Sequence[Mapping[str, Any]]) -> None:
    """Refuse containers that nobody would start again.

    Raises:
        Refused: one has no restart policy, or one that has given up.
    """
    for attrs in chosen:
        policy = attrs["HostConfig"].get("RestartPolicy") or {}
        tries = int(policy.get("MaximumRetryCount") or 0)
        if policy.get("Name") not in _POLICIES or 0 < tries <= int(attrs["RestartCount"]):
            told = (
                f"{identity(attrs).text} has no restart policy that would start it again: use stop, whose undo does, or"
            )
            raise Refused(GUARD, f"{told} say supervised: yes")


def _may_signal(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True
