"""The Docker daemon whose containers are hit: the one that can be reached, or one of our own, outside our namespaces.

It is started when the first victim wants it. What it runs belongs to the targets, so its processes are no leftovers,
and its containers are compared as a whole: whether they run or are paused, their networks, limits and mounts.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path

LAB = Path(__file__).resolve().parents[3] / "scripts" / "docker_lab.py"
LABEL = "chaoslab-torture"
UNLIMITED = 1 << 62
"""Docker says *none* of memory so, once a limit has been taken back."""
_known = {}


class Daemon:
    """The daemon, once it is needed."""

    folder = None
    address = ""
    image = ""
    client = None
    before = None
    """What DOCKER_HOST was."""

    @classmethod
    def need(cls, base, outside):
        """Have it run; `base` is our folder, `outside` makes a command run in the namespaces that we came from."""
        if cls.client is None:
            cls.folder = base / "docker"
            cls.address = cls._lab(outside, "start", cls.folder).partition("=")[2]
            cls.before = os.environ.get("DOCKER_HOST")
            os.environ["DOCKER_HOST"] = cls.address
            cls.image = cls._lab(outside, "image", cls.folder)
            from chaoslab.docker.client import connect

            cls.client = connect(cls.address)
        return cls

    @staticmethod
    def _lab(outside, *words):
        environment = os.environ | {"PYTHONPATH": str(LAB.parents[1])}
        command = outside([sys.executable, str(LAB), *map(str, words)])
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=900)
        if done.returncode:
            raise RuntimeError(f"no Docker daemon: {done.stderr.strip()}")
        return done.stdout.strip()

    @classmethod
    def stop(cls, outside):
        """Take away what runs in it, and it too if it is ours."""
        if cls.client is not None:
            for container in cls.client.containers.list(all=True, filters={"label": LABEL}):
                container.remove(force=True, v=True)
            for network in cls.client.networks.list(filters={"label": LABEL}):
                network.remove()
            cls.client.close()
            os.environ.pop("DOCKER_HOST") if cls.before is None else os.environ.update(DOCKER_HOST=cls.before)
            cls._lab(outside, "stop", cls.folder)
            cls.client = None


def is_of_daemon(pid):
    """Say whether a process is the daemon's: itself, or one that watches over a container, and so all below it."""
    if Daemon.folder is None:
        return False
    if pid not in _known:
        with suppress(OSError):
            _known[pid] = os.fsencode(Daemon.folder) in Path(f"/proc/{pid}/cmdline").read_bytes()
    return _known.get(pid, False)


def containers():
    """Return what the daemon says of each container of ours."""
    if Daemon.client is None:
        return []
    found = Daemon.client.containers.list(all=True, ignore_removed=True, filters={"label": LABEL})
    return sorted(told_of(one.attrs) for one in found)


def told_of(attrs):
    """Return a container in one line, without what changes by itself."""
    config, settings = attrs["HostConfig"], attrs["NetworkSettings"]["Networks"]
    memory, quota = int(config["Memory"] or 0), int(config["NanoCpus"] or 0) or int(config["CpuQuota"] or 0)
    limits = f"memory {memory if 0 < memory < UNLIMITED else 'any'}, processor {quota if quota > 0 else 'any'}"
    mounts = sorted(f"{one['Type']} {one['Destination']}" for one in attrs["Mounts"])
    networks = sorted(
        (name, tuple(sorted(set(one.get("Aliases") or ()) - {attrs["Id"][:12]}))) for name, one in settings.items()
    )
    return f"{attrs['Name']} {attrs['State']['Status']}; {limits}; networks {networks}; mounts {mounts}"


@cache
def why_not():
    """Return '' when there is a daemon, or one can be started, else the reason."""
    if importlib.util.find_spec("docker") is None:
        return "the package docker is not installed"
    if os.environ.get("DOCKER_HOST"):
        return ""
    if os.geteuid() != 0:
        return "only root can start a Docker daemon; start one and set DOCKER_HOST"
    absent = [
        name for name in ("dockerd", "debootstrap") if not shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
    ]
    return f"no {', '.join(absent)}" if absent else ""
