"""Faults of whole containers: paused, killed, stopped, restarted."""

from __future__ import annotations

from chaoslab.docker import running
from chaoslab.docker.client import SDK
from chaoslab.docker.target import claims_of, containers_of, data_of, describe, select
from chaoslab.docker.watchdog import watch_for
from chaoslab.process.actions import deadly
from chaoslab.runtime.arguments import time_to_live, yes
from chaoslab.runtime.fault import Fault, Pinned

_UNDO_S = 60.0
"""How long the undo of a container may take: a start of a slow one does."""

_EFFECT_S = 15.0
"""A daemon with much to do takes its time to answer; one that answers costs nothing of it."""

PAUSE = Fault(
    inject=running.freeze,
    effective=running.are_frozen,
    undo=running.thaw,
    effective_within_s=_EFFECT_S,
    undo_deadline_s=_UNDO_S,
    loads=SDK,
)
KILL = Fault(
    inject=running.strike_dead,
    effective=running.are_down,
    undo=running.leave,
    effective_within_s=_EFFECT_S,
    momentary=True,
    loads=SDK,
)
STOP = Fault(
    inject=running.halt,
    effective=running.are_down,
    undo=running.raise_up,
    effective_within_s=_EFFECT_S,
    undo_deadline_s=_UNDO_S,
    loads=SDK,
)
RESTART = Fault(
    inject=running.turn_over,
    effective=running.are_new,
    undo=running.raise_up,
    momentary=True,
    effective_within_s=30.0,
    undo_deadline_s=_UNDO_S,
    loads=SDK,
)


@PAUSE.action
def pause(
    container: str = "",
    *,
    labels: str = "",
    compose: str = "",
    which: str = "",
    docker: str = "",
    watchdog: str = "",
    ttl: str = "60s",
) -> Pinned:
    """Freeze a container: all its processes keep memory, ports and connections, and answer nothing.

    Args:
        container: its name, the beginning of its id, or `re:` and a pattern of names
        labels: `key=value`, or `key`, several with commas between; all must fit
        compose: the compose service, `service` or `project/service`
        which: of several that fit: `2`, `50%`, `all`, or by chance `random 7`; without it exactly one must fit
        docker: the daemon's address; without it `DOCKER_HOST`, or the usual socket
        watchdog: of a daemon elsewhere, where one must stand: an image there with a shell and curl or python3, without
            it the container's own; or `none`
        ttl: how long it may stay paused without the runner's word

    Blast radius: the chosen containers, and whoever waits for them.
    Undo: they go on; a container that was started anew meanwhile is left alone.
    Effective when: the kernel has frozen every process of them; of a daemon elsewhere, when it says so.

    Raises:
        BadUsage: an argument makes no sense.
        Refused: no such container, several where one was meant, one that is paused already, the container in which
            the run or the daemon lives, a daemon that does not answer, or one elsewhere at which no watchdog can stand.
    """
    ttl_s = time_to_live(ttl)
    address, chosen = select(container, labels=labels, compose=compose, which=which, docker=docker)
    running.refuse_paused(chosen)
    data = data_of(address, chosen) | {"watch": watch_for(address, chosen, watchdog, what="pause"), "ttl_s": ttl_s}
    return Pinned(describe(chosen), data, ttl_s, claims_of(chosen, "pause"))


@KILL.action
def kill(
    container: str = "",
    *,
    signal: str = "SIGKILL",
    supervised: str = "",
    labels: str = "",
    compose: str = "",
    which: str = "",
    docker: str = "",
) -> Pinned:
    """Kill a container by a signal to its first process, as a crash or the kernel's out-of-memory killer does.

    The kernel sends the signal, on the daemon's machine and as root: Docker takes what the *daemon* kills for stopped
    on purpose, and its restart policy lets it lie. For a daemon elsewhere there is `stop` with `grace: 0s`.

    Args:
        container: its name, the beginning of its id, or `re:` and a pattern of names
        signal: SIGKILL, or another one that ends a process
        supervised: `yes`: something other than a restart policy starts it again, such as an orchestrator
        labels: `key=value`, or `key`, several with commas between; all must fit
        compose: the compose service, `service` or `project/service`
        which: of several that fit: `2`, `50%`, `all`, or by chance `random 7`; without it exactly one must fit
        docker: the daemon's address; without it `DOCKER_HOST`, or the usual socket

    Blast radius: the chosen containers, and whoever is served by them; what they had under way is lost.
    Undo: nothing, the fault is over when they are gone; their restart policy starts them again.
    Effective when: each does not run, or its restart policy has started it again.

    Raises:
        BadUsage: an argument makes no sense.
        Refused: no such container, several where one was meant, one that is paused, or that nobody would start again,
            the container in which the run or the daemon lives, no way to signal it, or a daemon that does not answer.
    """
    name = deadly(signal)
    address, chosen = select(container, labels=labels, compose=compose, which=which, docker=docker)
    running.refuse_paused(chosen)
    if not yes("supervised", supervised):
        running.refuse_unsupervised(chosen)
    data = data_of(address, chosen) | {"signal": name, "restarts": running.restarts_of(chosen)}
    data["processes"] = running.processes_of(containers_of(data))
    return Pinned(target=describe(chosen), data=data, ttl_s=KILL.undo_deadline_s)


@STOP.action
def stop(
    container: str = "",
    *,
    grace: str = "10s",
    labels: str = "",
    compose: str = "",
    which: str = "",
    docker: str = "",
    watchdog: str = "",
    ttl: str = "60s",
) -> Pinned:
    """Stop a container in good order, as whoever takes it away does: no restart policy brings it back.

    Args:
        container: its name, the beginning of its id, or `re:` and a pattern of names
        grace: how long it has to end by itself before it is killed
        labels: `key=value`, or `key`, several with commas between; all must fit
        compose: the compose service, `service` or `project/service`
        which: of several that fit: `2`, `50%`, `all`, or by chance `random 7`; without it exactly one must fit
        docker: the daemon's address; without it `DOCKER_HOST`, or the usual socket
        watchdog: of a daemon elsewhere, as for `pause`
        ttl: how long it may lie without the runner's word

    Blast radius: the chosen containers, and whoever is served by them.
    Undo: what does not run by then is started again.
    Effective when: it does not run.

    Raises:
        BadUsage: an argument makes no sense.
        Refused: no such container, several where one was meant, one that is paused or is removed when it ends, the
            container in which the run or the daemon lives, a daemon that does not answer, or one elsewhere at which no
            watchdog can stand.
    """
    ttl_s, grace_s = time_to_live(ttl), running.grace_of(grace)
    address, chosen = select(container, labels=labels, compose=compose, which=which, docker=docker)
    running.refuse_paused(chosen)
    running.refuse_passing(chosen)
    data = data_of(address, chosen) | {"grace_s": grace_s, "restarts": running.restarts_of(chosen), "ttl_s": ttl_s}
    data["watch"] = watch_for(address, chosen, watchdog, what="stop")
    return Pinned(describe(chosen), data, ttl_s, claims_of(chosen, "stop"))


@RESTART.action
def restart(
    container: str = "",
    *,
    grace: str = "10s",
    labels: str = "",
    compose: str = "",
    which: str = "",
    docker: str = "",
) -> Pinned:
    """Restart a container, as a rollout does, and measure how long it is down.

    The step's output has `down_s`, from the order to the new start, by container. Several go one after the other.

    Args:
        container: its name, the beginning of its id, or `re:` and a pattern of names
        grace: how long it has to end by itself before it is killed
        labels: `key=value`, or `key`, several with commas between; all must fit
        compose: the compose service, `service` or `project/service`
        which: of several that fit: `2`, `50%`, `all`, or by chance `random 7`; without it exactly one must fit
        docker: the daemon's address; without it `DOCKER_HOST`, or the usual socket

    Blast radius: the chosen containers, and whoever is served by them; what they had under way is lost.
    Undo: nothing, the fault is over when they run again; where that broke off, they are started.
    Effective when: each runs since another instant than before.

    Raises:
        BadUsage: an argument makes no sense.
        Refused: no such container, several where one was meant, one that is paused or is removed when it ends, the
            container in which the run or the daemon lives, or a daemon that does not answer.
    """
    grace_s = running.grace_of(grace)
    address, chosen = select(container, labels=labels, compose=compose, which=which, docker=docker)
    running.refuse_paused(chosen)
    running.refuse_passing(chosen)
    data = data_of(address, chosen) | {"grace_s": grace_s}
    ttl_s = RESTART.undo_deadline_s + grace_s * len(chosen)
    return Pinned(target=describe(chosen), data=data, ttl_s=ttl_s)
