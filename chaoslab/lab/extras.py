"""What a lab has only when it is asked for: a standby of its server, a Kafka broker. Once there, they come up again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from chaoslab.lab import docker as container
from chaoslab.lab import parts
from chaoslab.lab.databases import LabFailed
from chaoslab.lab.home import Home
from chaoslab.lab.kafka import KafkaBroker
from chaoslab.lab.server import Tell
from chaoslab.postgres.live import ask
from chaoslab.postgres.programs.commands import PostgresFailed
from chaoslab.postgres.servers import postmaster
from chaoslab.postgres.servers.cluster import Cluster
from chaoslab.postgres.servers.standby import make_standby

FOLLOWS_S = 30.0
_FOLLOWS = "SELECT pg_is_in_recovery() AND EXISTS (SELECT FROM pg_stat_wal_receiver WHERE status = 'streaming')"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was asked for this time."""

    standby: bool = False
    kafka: bool = False
    docker: bool = False
    faketime: bool = False
    """Not a part, but a way in which the service is started."""


def start(place: Home, cluster: Cluster, wanted: Wanted, *, database_url: str, tell: Tell) -> dict[str, Any]:
    """See to what is wanted or was there before, and describe it.

    Args:
        place: the lab's folder
        cluster: its running server
        wanted: what was asked for: a streaming standby of it, a broker with a producer and a consumer, a container
        database_url: where the service finds its database
        tell: is called with one line for people at each step that takes time

    Raises:
        LabFailed: one does not come up.
        Missing: a program or a package that it needs is not installed.
    """
    found: dict[str, Any] = {}
    if wanted.standby or place.standby.exists():
        found["standby"] = _standby(place, cluster, tell)
    if wanted.kafka or place.kafka.exists():
        broker = KafkaBroker(place.kafka)
        tell("starting Kafka; the first time it is fetched")
        broker.start()
        found["kafka"] = broker.description()
    if wanted.docker or container.is_wanted(place):
        found["docker"] = container.start(place, database_url, tell)
    return found


def stop(place: Home, *, remove: bool) -> None:
    """Stop what there is; `remove` takes its data away too. Harmless when there is nothing."""
    container.stop(place)
    if place.kafka.exists():
        broker = KafkaBroker(place.kafka)
        broker.remove() if remove else broker.stop()
    if place.standby.exists():
        postmaster.destroy(place.standby) if remove else postmaster.stop(place.standby)


def look(place: Home, known: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return the extras with what is true of them now, and what is wrong with them."""
    found: dict[str, Any] = {}
    problems: list[str] = []
    if "standby" in known:
        pid = postmaster.postmaster(place.standby)
        found["standby"] = {**known["standby"], "pid": pid}
        problems += ["the standby does not run"] if pid is None else []
    if "kafka" in known:
        found["kafka"] = known["kafka"]
        problems += KafkaBroker(place.kafka).problems()
    if "docker" in known:
        found["docker"] = known["docker"]
        problems += container.problems(place, known["docker"])
    return found, problems


def _standby(place: Home, cluster: Cluster, tell: Tell) -> dict[str, Any]:
    """See to the standby; one that does not follow the server any more is made anew."""
    if place.standby.exists():
        try:
            known = Cluster.open(place.standby)
            known.start()
            if parts.becomes(lambda: _follows(known), FOLLOWS_S):
                return _describe(known)
            tell("the standby does not follow the server any more: making a new one")
        except PostgresFailed as broken:
            tell(f"the standby is beyond repair ({broken}): making a new one")
        postmaster.destroy(place.standby)
    tell("making a standby")
    made = make_standby(cluster, place.standby)
    if not parts.becomes(lambda: _follows(made), FOLLOWS_S):
        raise LabFailed("the standby does not follow the server")
    return _describe(made)


def _follows(standby: Cluster) -> bool:
    try:
        [(follows,)] = ask(standby.dsn(), _FOLLOWS)
    except Exception:
        return False
    return bool(follows)


def _describe(standby: Cluster) -> dict[str, Any]:
    return {
        "dsn": standby.dsn(),
        "folder": str(standby.folder),
        "port": standby.port,
        "log": str(standby.log),
    }
