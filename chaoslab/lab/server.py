"""The lab's PostgreSQL server and the databases in it: made, revived, filled."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from chaoslab.lab import parts
from chaoslab.lab.databases import NAMES, complete_databases, create_database, drop_database
from chaoslab.lab.home import Home
from chaoslab.postgres.connect import ConnectFailed
from chaoslab.postgres.programs.binaries import find_binaries
from chaoslab.postgres.programs.commands import PostgresFailed
from chaoslab.postgres.servers import postmaster
from chaoslab.postgres.servers.cluster import Cluster

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


def running_server(place: Home, tell: Tell) -> Cluster:
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


def filled(cluster: Cluster, wanted: tuple[str, ...], size_mb: float, tell: Tell) -> list[str]:
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
