"""Whether this machine offers what an exercise needs. Looks only, and loads nothing heavy."""

import importlib.util
import os
import shutil
import socket
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from chaoslab.core.errors import Missing
from chaoslab.core.needs import NEEDS
from chaoslab.runtime.places import home_folder

_NET_ADMIN = 12
"""The bit of CAP_NET_ADMIN in a process's effective capabilities, capabilities(7)."""


def missing(needs: Iterable[str]) -> list[Missing]:
    """Return the needs that are surely not met, each with the one line that brings it.

    Whether a server answers is found out by the steps that ask it: only what the machine itself must have is
    looked for. The lab is needed only by values that come from it, and they ask for it themselves.
    """
    return [Missing(need, NEEDS[need]) for need in needs if need in _CHECKS and not _CHECKS[need]()]


def looked_for() -> tuple[str, ...]:
    """Return the needs that can be looked for on this machine, in their order."""
    return tuple(_CHECKS)


def _importable(*modules: str) -> bool:
    return all(importlib.util.find_spec(module) is not None for module in modules)


def _postgres_binaries() -> bool:
    from chaoslab.postgres.programs.binaries import find_binaries

    try:
        find_binaries()
    except Missing:
        return False
    return True


def _root() -> bool:
    return os.geteuid() == 0


def _net_admin() -> bool:
    lines = Path("/proc/self/status").read_text().splitlines()
    effective = next((line.split()[1] for line in lines if line.startswith("CapEff:")), "0")
    return bool(int(effective, 16) >> _NET_ADMIN & 1)


def _has_program(name: str) -> bool:
    """Look also where the programs of the administrator lie: often they are not on a user's path."""
    return shutil.which(name, path=os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/sbin:/sbin") is not None


def _netem() -> bool:
    from chaoslab.network.kernel import has_netem

    return has_netem()


def _docker() -> bool:
    path = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    if not _importable("docker"):
        return False
    if not path.startswith("unix://"):
        return True  # a server elsewhere: the step that uses it finds out
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(1.0)
        return client.connect_ex(path.removeprefix("unix://")) == 0


def _kubernetes() -> bool:
    given = os.environ.get("KUBECONFIG") or os.environ.get("KUBERNETES_SERVICE_HOST")
    home = home_folder()
    return _importable("kubernetes") and bool(given or (home and (home / ".kube" / "config").is_file()))


_CHECKS: Mapping[str, Callable[[], bool]] = {
    "postgres": lambda: _importable("psycopg"),
    "postgres-binaries": _postgres_binaries,
    "root": _root,
    "net-admin": _net_admin,
    "nftables": lambda: _has_program("nft"),
    "netem": _netem,
    "docker": _docker,
    "kubernetes": _kubernetes,
    "s3": lambda: _importable("boto3"),
    "redis": lambda: _importable("redis"),
    "kafka": lambda: _importable("confluent_kafka"),
}
