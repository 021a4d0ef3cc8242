"""Start, look at and stop the lab. All three can be repeated, and a lab that is half dead is made whole."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from chaoslab.lab import parts
from chaoslab.lab.databases import (
    APP_ROLE,
    NAMES,
    SERVICE_DATABASE,
    LabFailed,
    complete_databases,
    create_database,
    database_names,
    drop_database,
    set_password,
)
from chaoslab.lab.description import describe, module
from chaoslab.lab.home import Home
from chaoslab.lab.observation import health, status_of
from chaoslab.lab.parts import Part
from chaoslab.lab.pidfile import read_pid
from chaoslab.network.client import ProxyClient, ProxyGone
from chaoslab.postgres import postmaster
from chaoslab.postgres.beating import INTERVAL_S
from chaoslab.postgres.binaries import find_binaries
from chaoslab.postgres.cluster import Cluster
from chaoslab.postgres.commands import PostgresFailed
from chaoslab.postgres.connect import ConnectFailed, load_psycopg

MINIMUM_MAJOR = 14
SUPERUSER = "postgres"
MAKERS = 2
"""Databases that are made at the same time."""
SETTINGS: dict[str, str | int] = {
    "cluster_name": "lab",
    "max_connections": 120,
    "shared_buffers": "64MB",
    "max_wal_size": "2GB",
    "timezone": "UTC",
}
ANSWER_S = 5.0
Tell = Callable[[str], None]


def start(
    databases: int = 3,
    size_mb: float = 50,
    home: Path | None = None,
    *,
    tell: Tell = lambda _: None,
    interval_s: float = INTERVAL_S,
) -> dict[str, Any]:
    """Bring the lab up, or make a half-dead one whole, and return its status. It outlives the caller.

    Databases that are there are kept as they are, and never become fewer.

    Args:
        databases: how many, 1 to 22
        size_mb: megabytes of data in those that have to be made, all together
        home: the lab's folder; without one, `$CHAOSLAB_LAB_HOME` or the usual place
        tell: is called with one line for people at each step that takes time
        interval_s: seconds from one heartbeat to the next

    Raises:
        LabFailed: some part does not come up; one line.
        Missing: server programs or psycopg are not installed.
        BadUsage: the lab does not have that many databases.
    """
    wanted = database_names(databases)
    load_psycopg()  # before there is a server that nothing could fill
    place = Home(home)
    with place.alone():
        place.forget_other_boots()
        cluster = _server(place, tell)
        names = _databases(cluster, wanted, size_mb, tell)
        dsns = [{"name": name, "dsn": cluster.dsn(name)} for name in names]
        proxy_port = _proxy(place, cluster, tell)
        _heartbeat(place, dsns, interval_s, tell)
        url = _service(place, cluster, proxy_port, names, tell)
        place.write(place.state.name, describe(place, cluster, dsns, proxy_port, url, interval_s))
        return _settled(place)


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
        tell("stopping the service, the heartbeat and the proxy")
        for name in ("supervisor", "heartbeat", "proxy"):
            parts.stop(place, name)
        orphan = read_pid(place.service_pid)
        if orphan is not None:
            parts.end(orphan)
        tell("stopping PostgreSQL")
        postmaster.stop(place.server)
        for path in (place.state, place.service_pid, place.control):
            path.unlink(missing_ok=True)
        if remove:
            postmaster.destroy(place.server)
            place.remove()
    return status_of(place)


def _server(place: Home, tell: Tell) -> Cluster:
    """Return the running server; one that cannot be made to answer is replaced by a new one."""
    if place.server.exists():
        try:
            return _revived(Cluster.open(place.server), tell)
        except PostgresFailed as broken:
            tell(f"the lab's server is beyond repair ({broken}): making a new one")
            postmaster.destroy(place.server)
    binaries = find_binaries(MINIMUM_MAJOR)
    tell(f"making a PostgreSQL {binaries.version} server")
    cluster = Cluster.create(place.server, binaries, superuser=SUPERUSER, settings=SETTINGS)
    cluster.start()
    return cluster


def _revived(cluster: Cluster, tell: Tell) -> Cluster:
    """Return a server that was made before, running and answering.

    Raises:
        PostgresFailed: it does not start, or does not answer after a restart either.
    """

    def answers() -> bool:
        try:
            complete_databases(cluster.dsn())
        except ConnectFailed:
            return False
        return True

    for _ in range(2):
        if cluster.pid() is None:
            tell("starting PostgreSQL")
            cluster.start()
        if parts.becomes(answers, ANSWER_S):
            return cluster
        tell("PostgreSQL runs but does not answer: restarting it")
        cluster.stop("fast", ANSWER_S)
    raise PostgresFailed("it does not answer")


def _databases(cluster: Cluster, wanted: tuple[str, ...], size_mb: float, tell: Tell) -> list[str]:
    """Make the databases that are missing, and return all there are."""
    admin = cluster.dsn()
    present = complete_databases(admin)
    missing = [name for name in wanted if name not in present]
    if missing:
        tell(f"filling {len(missing)} database{'s' if len(missing) > 1 else ''}")

        def make(name: str) -> None:
            drop_database(admin, name)  # a half-made one, if any
            create_database(admin, name, size_mb / len(wanted))

        with ThreadPoolExecutor(MAKERS) as makers:
            list(makers.map(make, missing))
    return [name for name in NAMES if name in {*present, *wanted}]


def _proxy(place: Home, cluster: Cluster, tell: Tell) -> int:
    """See to the proxy in front of the server, and return its port."""
    port = place.port("proxy", in_use=parts.running(place, "proxy") is not None)
    upstream = f"127.0.0.1:{cluster.port}"
    command = module("network.proxy", "--listen", f"127.0.0.1:{port}", "--upstream", upstream, "--control")
    client = ProxyClient(place.control, timeout_s=1.0)

    def ready() -> bool:
        try:
            return bool(client.state()["upstream"] == upstream)
        except ProxyGone:
            return False

    if parts.ensure(place, Part("proxy", (*command, str(place.control))), ready):
        tell(f"the proxy listens on 127.0.0.1:{port}")
    return port


def _heartbeat(place: Home, dsns: list[dict[str, str]], interval_s: float, tell: Tell) -> None:
    """See to the heartbeat in all databases."""
    config = {"databases": dsns, "acks": str(place.acks), "interval_s": interval_s}
    path = place.path / "heartbeat.json"
    part = Part("heartbeat", module("postgres.beating", "--config", str(path)), files={path.name: json.dumps(config)})
    begin = place.acks.stat().st_size if place.acks.exists() else 0

    def ready() -> bool:
        if not place.acks.exists():
            return False
        with place.acks.open("rb") as acks:
            acks.seek(begin)
            beating = {line.split(b" ", 1)[0].decode() for line in acks}
        return beating >= {dsn["name"] for dsn in dsns}

    if parts.ensure(place, part, ready):
        tell("the heartbeat writes and is acknowledged")


def _service(place: Home, cluster: Cluster, proxy_port: int, names: list[str], tell: Tell) -> str:
    """See to the supervised service, and return its URL."""
    secret = place.path / "service.json"
    password = place.read(secret.name).get("password") or secrets.token_urlsafe(18)
    place.write(secret.name, {"password": password})
    set_password(cluster.dsn(), APP_ROLE, password)
    database = SERVICE_DATABASE if SERVICE_DATABASE in names else names[0]
    port = place.port("service", in_use=read_pid(place.service_pid) is not None)
    dsn = cluster.dsn(database, user=APP_ROLE, password=password, port=proxy_port)
    service = module("lab.service", "--listen", f"127.0.0.1:{port}")
    command = (*module("lab.supervisor", "--pid-file", str(place.service_pid)), "--", *service)
    url = f"http://127.0.0.1:{port}"
    if parts.running(place, "supervisor") is None:
        orphan = read_pid(place.service_pid)
        if orphan is not None:
            parts.end(orphan)
    if parts.ensure(place, Part("supervisor", command, {"DATABASE_URL": dsn}), lambda: health(url) is not None):
        tell(f"the service answers at {url}")
    return url


def _settled(place: Home) -> dict[str, Any]:
    """Wait until everything does its work, and return the status.

    Raises:
        LabFailed: something does not.
    """

    found: dict[str, Any] = {}

    def settled() -> bool:
        found.update(status_of(place))
        return found["state"] == "running" or bool(found["proxy"].get("toxics"))

    parts.becomes(settled, parts.READY_S)
    if found["state"] != "running":
        hint = "; `chaoslab undo` takes away what an exercise left" if found["proxy"].get("toxics") else ""
        raise LabFailed(f"the lab is up, but {'; '.join(found['problems'])}{hint}")
    return found
