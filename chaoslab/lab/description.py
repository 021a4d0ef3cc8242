"""What a lab says of itself and what does not change while it runs: the catalog's variables point into this."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from chaoslab.lab.audit import AUDIT_RULE
from chaoslab.lab.databases import SERVICE_DATABASE
from chaoslab.lab.home import Home
from chaoslab.postgres.servers.cluster import Cluster

if TYPE_CHECKING:
    from chaoslab.lab.starting import Surroundings


def describe(
    place: Home,
    cluster: Cluster,
    dsns: list[dict[str, str]],
    *,
    proxy_port: int,
    urls: Mapping[str, str],
    interval_s: float,
) -> dict[str, Any]:
    """Return what does not change while the lab runs.

    Args:
        place: the lab's folder
        cluster: its server
        dsns: its databases
        proxy_port: where the proxy before the server listens
        urls: of the service and of its twin
        interval_s: seconds from one heartbeat to the next
    """
    return {
        "home": str(place.path),
        "postgres": dsns,
        "server": _server(cluster),
        "service": _service(place, dsns, urls["service"]),
        "twin": _web(urls["twin"]) | {"pid_file": str(place.pid_file("twin")), "log": str(place.log("twin"))},
        "proxy": {
            "listen": f"127.0.0.1:{proxy_port}",
            "port": proxy_port,
            "control": str(place.control),
            "upstream": f"127.0.0.1:{cluster.port}",
            "log": str(place.log("proxy")),
        },
        "heartbeat": {
            "acks": str(place.acks),
            "table": "chaoslab.heartbeat",
            "interval_s": interval_s,
            "log": str(place.log("heartbeat")),
        },
        "audit": AUDIT_RULE,
    }


def _server(cluster: Cluster) -> dict[str, Any]:
    return {
        "folder": str(cluster.folder),
        "bin": str(cluster.bin),
        "major": cluster.major,
        "superuser": cluster.superuser,
        "dsn": cluster.dsn(),
        "port": cluster.port,
        "log": str(cluster.log),
    }


def _service(place: Home, dsns: list[dict[str, str]], url: str) -> dict[str, Any]:
    database = next((d for d in dsns if d["name"] == SERVICE_DATABASE), dsns[0])
    return {
        **_web(url),
        "pid_file": str(place.service_pid),
        "command": list(module("lab.service")),
        "check": list(module("lab.service", "--check")),
        "database": database["name"],
        "dsn": database["dsn"],
        "log": str(place.log("supervisor")),
    }


def _web(url: str) -> dict[str, str]:
    """Return where a service of ours is, is asked how it is, and tells its figures."""
    return {"url": url, "health": f"{url}/actuator/health", "metrics": f"{url}/metrics"}


def describe_surroundings(place: Home, ports: Surroundings) -> dict[str, Any]:
    """Return what stands around the service besides its database; what is not there has no key."""
    url = f"http://127.0.0.1:{ports.downstream}"
    found: dict[str, Any] = {
        "downstream": {
            "url": url,
            "health": f"{url}/health",
            "address": f"127.0.0.1:{ports.downstream}",
            "port": ports.downstream,
            "pid_file": str(place.pid_file("downstream")),
            "proxy": str(place.proxy_control("downstream-proxy")),
            "proxy_listen": f"127.0.0.1:{ports.downstream_proxy}",
            "http_proxy": str(place.proxy_control("downstream-http-proxy")),
            "http_proxy_listen": f"127.0.0.1:{ports.downstream_http}",
            "log": str(place.log("downstream")),
        }
    }
    if ports.redis:
        found["redis"] = {
            "url": f"redis://127.0.0.1:{ports.redis}",
            "address": f"127.0.0.1:{ports.redis}",
            "port": ports.redis,
            "pid_file": str(place.pid_file("redis")),
            "proxy": str(place.proxy_control("redis-proxy")),
            "proxy_listen": f"127.0.0.1:{ports.redis_proxy}",
            "log": str(place.log("redis-supervisor")),
        }
    return found


def module(name: str, *arguments: str) -> tuple[str, ...]:
    """Return the command that runs a module of ours with this Python."""
    return (sys.executable, "-m", f"chaoslab.{name}", *arguments)
