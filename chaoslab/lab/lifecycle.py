"""Start, look at and stop the lab. All three can be repeated, and a lab that is half dead is made whole."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from chaoslab.lab import extras, faketime, parts, starting
from chaoslab.lab.databases import LabFailed, database_names
from chaoslab.lab.description import describe, describe_surroundings
from chaoslab.lab.home import Home
from chaoslab.lab.observation import status_of
from chaoslab.lab.pidfile import read_pid
from chaoslab.lab.server import Tell, filled, running_server
from chaoslab.postgres.connect import load_psycopg
from chaoslab.postgres.recovery_point.beating import INTERVAL_S
from chaoslab.postgres.servers import postmaster

SUPERVISED = ("service", "redis")
PARTS = (
    "supervisor",
    "twin",
    "heartbeat",
    "proxy",
    "downstream-http-proxy",
    "downstream-proxy",
    "redis-proxy",
    "downstream",
    "redis-supervisor",
)
"""In the order in which they are stopped: who asks before who answers."""


def start(
    databases: int = 3,
    size_mb: float = 50,
    home: Path | None = None,
    *,
    standby: bool = False,
    kafka: bool = False,
    docker: bool = False,
    faketime: bool = False,
    tell: Tell = lambda _: None,
    interval_s: float = INTERVAL_S,
) -> dict[str, Any]:
    """Bring the lab up, or make a half-dead one whole, and return its status. It outlives the caller.

    Databases that are there are kept as they are, and never become fewer.

    Args:
        databases: how many, 1 to 22
        size_mb: megabytes of data in those that have to be made, all together
        home: the lab's folder; without one, `$CHAOSLAB_LAB_HOME` or the usual place
        standby: have a streaming standby too; one that is there from an earlier start comes up in any case
        kafka: have a Kafka broker too; likewise
        docker: have the service as a container too, until the lab is stopped
        faketime: start the service so that its clock can be moved
        tell: is called with one line for people at each step that takes time
        interval_s: seconds from one heartbeat to the next

    Raises:
        LabFailed: some part does not come up; one line.
        Missing: server programs, psycopg, or what Kafka needs are not installed.
        BadUsage: the lab does not have that many databases.
    """
    wanted = database_names(databases)
    load_psycopg()  # before there is a server that nothing could fill
    place = Home(home)
    more = extras.Wanted(standby=standby, kafka=kafka, docker=docker, faketime=faketime)
    with place.alone():
        place.forget_other_boots()
        place.write(place.state.name, _started(place, wanted, size_mb, interval_s, more, tell))
        return _settled(place)


def _started(
    place: Home, wanted: tuple[str, ...], size_mb: float, interval_s: float, asked: extras.Wanted, tell: Tell
) -> dict[str, Any]:
    """See to every part, and return the lab's description."""
    ports = starting.ports_of_surroundings(place)
    with ThreadPoolExecutor(1) as beside:
        # They have nothing to do with the databases, whose filling takes the longest.
        started = beside.submit(starting.surroundings, place, ports, tell)
        cluster = running_server(place, tell)
        names = filled(cluster, wanted, size_mb, tell)
        started.result()
    dsns = [{"name": name, "dsn": cluster.dsn(name)} for name in names]
    proxy_port = place.port("proxy", in_use=parts.running(place, "proxy") is not None)
    starting.proxy(place, "proxy", proxy_port, upstream_port=cluster.port, tell=tell)
    starting.heartbeat(place, dsns, interval_s, tell)
    environment = starting.environment_of_service(place, cluster, names, proxy_port=proxy_port, ports=ports)
    urls = {
        "service": starting.service(place, environment, tell, under_faketime=asked.faketime),
        "twin": starting.twin(place, environment, tell),
    }
    more = extras.start(place, cluster, asked, database_url=environment["DATABASE_URL"], tell=tell)
    description = describe(place, cluster, dsns, proxy_port=proxy_port, urls=urls, interval_s=interval_s)
    return {**description, **describe_surroundings(place, ports), **more}


def status(home: Path | None = None) -> dict[str, Any]:
    """Return what runs and where; `state` is running, degraded or stopped, and `problems` say why."""
    return status_of(Home(home))


def stop(home: Path | None = None, *, remove: bool = False, tell: Tell = lambda _: None) -> dict[str, Any]:
    """Stop the lab and return its status. Harmless when it does not run.

    Args:
        home: the lab's folder; without one, the usual place
        remove: take its data away too; without it, the next start finds them
        tell: is called with one line for people at each step that takes time

    Raises:
        LabFailed: some process does not end.
    """
    place = Home(home)
    if not place.path.exists():
        return status_of(place)
    with place.alone():
        tell("stopping the service and what is around it")
        for name in PARTS:
            parts.stop(place, name)
        for name in SUPERVISED:
            orphan = read_pid(place.pid_file(name))
            if orphan is not None:
                parts.end(orphan)
        extras.stop(place, remove=remove)
        tell("stopping PostgreSQL")
        postmaster.stop(place.server)
        faketime.clear_shared_memory()
        for path in (place.state, *place.pid_files(), *place.controls()):
            path.unlink(missing_ok=True)
        if remove:
            postmaster.destroy(place.server)
            place.remove()
    return status_of(place)


def _settled(place: Home) -> dict[str, Any]:
    """Wait until everything does its work, and return the status.

    Raises:
        LabFailed: something does not.
    """

    found: dict[str, Any] = {}

    def settled() -> bool:
        found.update(status_of(place))
        return found["state"] == "running" or bool(found["toxics"])

    parts.becomes(settled, parts.READY_S)
    if found["state"] != "running":
        hint = "; `chaoslab undo` takes away what an exercise left" if found["toxics"] else ""
        raise LabFailed(f"the lab is up, but {'; '.join(found['problems'])}{hint}")
    return found
