"""How each process of the lab is started, and when it is ready. What runs as wanted is left alone."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from chaoslab.lab import faketime, parts, redis_server
from chaoslab.lab.answers import answers_http, health
from chaoslab.lab.databases import APP_ROLE, SERVICE_DATABASE, set_password
from chaoslab.lab.description import module
from chaoslab.lab.home import Home
from chaoslab.lab.parts import Part
from chaoslab.lab.pidfile import read_pid, write_pid
from chaoslab.postgres.servers.cluster import Cluster
from chaoslab.runtime.proxyclient import ProxyClient, ProxyGone

LOOPBACK = "127.0.0.1"
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where the service finds what it needs besides its database; 0 stands for what the lab does not have."""

    redis: int
    redis_proxy: int
    downstream: int
    downstream_proxy: int
    downstream_http: int
    """The proxy of HTTP, which stands before the one of TCP: the service asks it."""


def ports_of_surroundings(place: Home) -> Surroundings:
    """Choose all ports before anything is started: the file that keeps them is not for several at once."""
    has_redis = redis_server.is_installed()

    def port(name: str, part: str) -> int:
        return place.port(name, in_use=parts.running(place, part) is not None)

    return Surroundings(
        redis=port("redis", "redis-supervisor") if has_redis else 0,
        redis_proxy=port("redis-proxy", "redis-proxy") if has_redis else 0,
        downstream=port("downstream", "downstream"),
        downstream_proxy=port("downstream-proxy", "downstream-proxy"),
        downstream_http=port("downstream-http-proxy", "downstream-http-proxy"),
    )


def surroundings(place: Home, ports: Surroundings, tell: Tell) -> None:
    """See to Redis and the downstream service, each with its proxy."""
    if ports.redis:
        redis(place, ports.redis, tell)
        proxy(place, "redis-proxy", ports.redis_proxy, upstream_port=ports.redis, tell=tell)
    else:
        tell(redis_server.REMEDY)
    downstream(place, ports.downstream, tell)
    proxy(place, "downstream-proxy", ports.downstream_proxy, upstream_port=ports.downstream, tell=tell)
    name, port = "downstream-http-proxy", ports.downstream_http
    proxy(place, name, port, upstream_port=ports.downstream_proxy, tell=tell, program="http.proxy")


def proxy(place: Home, name: str, port: int, *, upstream_port: int, tell: Tell, program: str = "network.proxy") -> None:
    """See to a proxy in front of something."""
    upstream, control = f"{LOOPBACK}:{upstream_port}", place.proxy_control(name)
    command = module(program, "--listen", f"{LOOPBACK}:{port}", "--upstream", upstream, "--control")
    client = ProxyClient(control, timeout_s=1.0)

    def ready() -> bool:
        try:
            return bool(client.state()["upstream"] == upstream)
        except ProxyGone:
            return False

    if parts.ensure(place, Part(name, (*command, str(control))), ready):
        tell(f"the {name} listens on {LOOPBACK}:{port}")


def redis(place: Home, port: int, tell: Tell) -> None:
    """See to Redis under its supervisor."""
    file = place.path / "redis.conf"
    supervised = redis_server.command(file)
    command = (*module("lab.supervisor", "--pid-file", str(place.pid_file("redis"))), "--", *supervised)
    files = {file.name: redis_server.configuration(place.path, port)}
    _end_orphan(place, supervisor="redis-supervisor", name="redis")
    if parts.ensure(place, Part("redis-supervisor", command, files=files), lambda: redis_server.answers(port)):
        tell(f"Redis answers on {LOOPBACK}:{port}")


def downstream(place: Home, port: int, tell: Tell) -> None:
    """See to the service that the service asks."""
    url = f"http://{LOOPBACK}:{port}"
    part = Part("downstream", module("lab.providers", "--listen", f"{LOOPBACK}:{port}"))
    if parts.ensure(place, part, lambda: answers_http(f"{url}/health") is not None):
        tell(f"the downstream service answers at {url}")
    _note_pid(place, "downstream")


def heartbeat(place: Home, dsns: list[dict[str, str]], interval_s: float, tell: Tell) -> None:
    """See to the heartbeat in all databases."""
    config = {"databases": dsns, "acks": str(place.acks), "interval_s": interval_s}
    path = place.path / "heartbeat.json"
    part = Part(
        "heartbeat",
        module("postgres.recovery_point.beating", "--config", str(path)),
        files={path.name: json.dumps(config)},
    )
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


def environment_of_service(
    place: Home, cluster: Cluster, names: list[str], *, proxy_port: int, ports: Surroundings
) -> dict[str, str]:
    """Return where a service finds what it needs, with the secret of its role."""
    secret = place.path / "service.json"
    password = place.read(secret.name).get("password") or secrets.token_urlsafe(18)
    place.write(secret.name, {"password": password})
    set_password(cluster.dsn(), APP_ROLE, password)
    database = SERVICE_DATABASE if SERVICE_DATABASE in names else names[0]
    return {
        "DATABASE_URL": cluster.dsn(database, user=APP_ROLE, password=password, port=proxy_port),
        "REDIS_URL": f"redis://{LOOPBACK}:{ports.redis_proxy}" if ports.redis else "",
        "PROVIDERS_URL": f"http://{LOOPBACK}:{ports.downstream_http}",
    }


def service(place: Home, environment: dict[str, str], tell: Tell, *, under_faketime: bool) -> str:
    """See to the supervised service, and return its URL."""
    port = place.port("service", in_use=read_pid(place.service_pid) is not None)
    command = module("lab.service", "--listen", f"{LOOPBACK}:{port}")
    command = faketime.wrapped(place, command, wanted=under_faketime)
    supervised = (*module("lab.supervisor", "--pid-file", str(place.service_pid)), "--", *command)
    url = f"http://{LOOPBACK}:{port}"
    _end_orphan(place, supervisor="supervisor", name="service")
    if parts.ensure(place, Part("supervisor", supervised, environment), lambda: health(url) is not None):
        tell(f"the service answers at {url}")
    return url


def twin(place: Home, environment: dict[str, str], tell: Tell) -> str:
    """See to the service's fragile twin, which nobody starts again, and return its URL."""
    port = place.port("twin", in_use=parts.running(place, "twin") is not None)
    url = f"http://{LOOPBACK}:{port}"
    part = Part("twin", module("lab.service", "--fragile", "--listen", f"{LOOPBACK}:{port}"), environment)
    if parts.ensure(place, part, lambda: answers_http(f"{url}/metrics") is not None):
        tell(f"its fragile twin answers at {url}")
    _note_pid(place, "twin")
    return url


def _end_orphan(place: Home, *, supervisor: str, name: str) -> None:
    """End what a supervisor left running when it was killed."""
    if parts.running(place, supervisor) is None:
        orphan = read_pid(place.pid_file(name))
        if orphan is not None:
            parts.end(orphan)


def _note_pid(place: Home, name: str) -> None:
    """Write the pid file of a part that has no supervisor to do it."""
    identity = parts.running(place, name)
    if identity is not None and read_pid(place.pid_file(name)) != identity:
        write_pid(place.pid_file(name), identity.pid)
