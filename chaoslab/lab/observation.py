"""Look at a lab: what was started, and what of it is alive and at work."""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from typing import Any

from chaoslab.lab import extras, parts
from chaoslab.lab.answers import HEALTH_S, health
from chaoslab.lab.home import Home
from chaoslab.lab.pidfile import read_pid
from chaoslab.postgres.servers.postmaster import postmaster
from chaoslab.runtime.clock import CLOCK
from chaoslab.runtime.identity import state_of
from chaoslab.runtime.proxyclient import ProxyClient, ProxyGone

SILENCE_MAX_S = 5.0
"""A heartbeat that nobody acknowledged for this long is a problem."""
SECTIONS: dict[str, Any] = {"postgres": [], "server": {}, "service": {}, "proxy": {}, "heartbeat": {}, "audit": {}}


def status_of(home: Home) -> dict[str, Any]:
    """Return the lab's description with what is true of it now: pids, state, problems, standing toxics."""
    known = home.read(home.state.name)
    pids = {"server": postmaster(home.server)}
    pids |= {name: _pid(home, name) for name in ("proxy", "heartbeat", "supervisor")}
    pids |= {name: _pid(home, name) for name in _around(known)}
    service = read_pid(home.service_pid)
    found: dict[str, Any] = {"home": str(home.path), **SECTIONS, **known, "toxics": {}}
    if not any(pids.values()) and service is None:
        return {"state": "stopped", **found, **SECTIONS, "problems": []}
    for section in ("server", "proxy", "heartbeat"):
        found[section] = {**found[section], "pid": pids[section]}
    found["service"] = {**found["service"], "pid": service.pid if service else None, "supervisor": pids["supervisor"]}
    for section in ("twin", "downstream", "redis"):
        if section in known:
            identity = read_pid(home.pid_file(section))
            found[section] = {**found[section], "pid": identity.pid if identity else None}
    problems = [f"the {name} does not run" for name, pid in pids.items() if pid is None]
    if not known:
        problems.append(f"{home.state} is missing or torn: start the lab again")
    else:
        problems += [*_of_proxies(home, found, pids), *_of_heartbeat(home), *_of_service(found)]
    more, wrong = extras.look(home, known)
    problems += wrong
    found |= more
    return {"state": "degraded" if problems else "running", **found, "problems": problems}


def _around(known: Mapping[str, Any]) -> list[str]:
    """Return the parts around the service that a lab was started with. Its twin is there to be lost, and no part."""
    parts_of = {
        "downstream": ("downstream", "downstream-proxy", "downstream-http-proxy"),
        "redis": ("redis-supervisor", "redis-proxy"),
    }
    return [name for section, names in parts_of.items() if section in known for name in names]


def _pid(home: Home, name: str) -> int | None:
    identity = parts.running(home, name)
    return identity.pid if identity else None


def _of_proxies(home: Home, found: dict[str, Any], pids: Mapping[str, int | None]) -> list[str]:
    problems = []
    for name in [name for name in pids if name.endswith("proxy") and pids[name]]:
        try:
            toxics = ProxyClient(home.proxy_control(name), timeout_s=HEALTH_S).toxics()
        except ProxyGone as gone:
            problems.append(str(gone))
            continue
        if name == "proxy":
            found["proxy"]["toxics"] = toxics
        found["toxics"] |= {f"{name}/{toxic}": toxics[toxic] for toxic in toxics}
        problems += [f"the toxic {toxic!r} ({toxics[toxic]['kind']}) stands in the {name}" for toxic in toxics]
    return problems


def _of_heartbeat(home: Home) -> list[str]:
    try:
        silence_s = CLOCK.wall().timestamp() - home.acks.stat().st_mtime
    except OSError:
        return ["the heartbeat was never acknowledged"]
    return [f"no heartbeat was acknowledged for {silence_s:.0f} s"] if silence_s > SILENCE_MAX_S else []


def _of_service(found: dict[str, Any]) -> list[str]:
    pid = found["service"]["pid"]
    if pid is None:
        return ["the service does not run"]
    # Asked again afterwards: a process stops only when the machine gives it a moment to.
    code = None if state_of(pid) == "T" else health(found["service"]["url"])
    if code is None:
        return [f"the service (process {pid}) is paused" if state_of(pid) == "T" else "the service does not answer"]
    return [] if code == http.client.OK else [f"the service says it is down (HTTP {code})"]
