"""What a lab says of itself and what does not change while it runs: the catalog's variables point into this."""

from __future__ import annotations

import sys
from typing import Any

from chaoslab.lab.audit import AUDIT_RULE
from chaoslab.lab.databases import SERVICE_DATABASE
from chaoslab.lab.home import Home
from chaoslab.postgres.cluster import Cluster


def describe(
    place: Home, cluster: Cluster, dsns: list[dict[str, str]], proxy_port: int, url: str, interval_s: float
) -> dict[str, Any]:
    """Return what does not change while the lab runs."""
    service_database = next((d for d in dsns if d["name"] == SERVICE_DATABASE), dsns[0])
    return {
        "home": str(place.path),
        "postgres": dsns,
        "server": {
            "folder": str(cluster.folder),
            "bin": str(cluster.bin),
            "major": cluster.major,
            "superuser": cluster.superuser,
            "dsn": cluster.dsn(),
            "port": cluster.port,
            "log": str(cluster.log),
        },
        "service": {
            "url": url,
            "health": f"{url}/actuator/health",
            "metrics": f"{url}/metrics",
            "pid_file": str(place.service_pid),
            "command": list(module("lab.service")),
            "check": list(module("lab.service", "--check")),
            "database": service_database["name"],
            "dsn": service_database["dsn"],
            "log": str(place.log("supervisor")),
        },
        "proxy": {
            "listen": f"127.0.0.1:{proxy_port}",
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


def module(name: str, *arguments: str) -> tuple[str, ...]:
    """Return the command that runs a module of ours with this Python."""
    return (sys.executable, "-m", f"chaoslab.{name}", *arguments)
