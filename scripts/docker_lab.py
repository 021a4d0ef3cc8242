"""A Docker daemon of our own: on its own socket, with its own data, and without a rule in anybody's firewall."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from chaoslab.core.errors import ChaoslabError
from chaoslab.docker.client import address_of, connect
from chaoslab.lab.image import ensure_image

FOLDER = Path("/var/lib/chaoslab/docker")
READY_S = 60.0
END_S = 60.0
POOL = "10.213.0.0/16"
"""Where its bridges take their addresses: a private range, which is not routed anywhere."""


def main() -> int:
    """Do what the command line asks for; return the exit status."""
    parser = argparse.ArgumentParser(prog="scripts/docker-lab", description=__doc__)
    parser.add_argument("what", choices=("start", "image", "stop"))
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER)
    given = parser.parse_args()
    try:
        match given.what:
            case "start":
                print(f"DOCKER_HOST={reachable() or start(given.folder)}")
            case "image":
                print(ensure_image(connect(reachable() or url_of(given.folder)), tell=tell))
            case "stop":
                stop(given.folder)
    except ChaoslabError as failed:
        tell(str(failed))
        return failed.exit_code
    return 0


def tell(text: str) -> None:
    """Say what happens to whoever watches."""
    print(f"docker-lab: {text}", file=sys.stderr, flush=True)


def reachable() -> str:
    """Return the address of the daemon that is given, or of the usual one, when it answers; else ''."""
    try:
        connect(url := address_of(""))
    except ChaoslabError:
        return ""
    return url


def url_of(folder: Path) -> str:
    """Return where the daemon of a folder listens."""
    return f"unix://{folder.absolute()}/docker.sock"


def command(folder: Path) -> list[str]:
    """Return how our own daemon is started."""
    places = {
        "--data-root": folder / "data",
        "--exec-root": folder / "run",
        "--pidfile": folder / "docker.pid",
        "--host": url_of(folder),
        "--default-address-pool": f"base={POOL},size=24",
        # Nothing of the host's: no bridge named docker0, no rule, no policy, no forwarding.
        "--bridge": "none",
        "--iptables": "false",
        "--ip6tables": "false",
        "--ip-forward": "false",
        "--ip-masq": "false",
        # Containers outlive their daemon, so that a daemon that dies under a fault can be tried.
        "--live-restore": "true",
    }
    return [daemon_program(), *(f"{name}={value}" for name, value in places.items())]


def daemon_program() -> str:
    """Return the path of the daemon's program.

    Raises:
        ChaoslabError: it is not installed, or we may not run it.
    """
    found = shutil.which("dockerd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None:
        raise ChaoslabError("no Docker daemon answers and dockerd is not installed; `scripts/install --tests` does it")
    if os.geteuid() != 0:
        raise ChaoslabError("only root can start a Docker daemon; start one and set DOCKER_HOST")
    return found


def start(folder: Path) -> str:
    """Start our own daemon unless it runs, wait until it answers, and return its address."""
    words = command(folder)
    folder.mkdir(parents=True, exist_ok=True, mode=0o711)
    url = url_of(folder)
    if pid_of(folder) is None:
        (folder / "docker.pid").unlink(missing_ok=True)
        with (folder / "log").open("ab") as log:
            process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        process.returncode = 0  # it is meant to outlive us
    until = time.monotonic() + READY_S
    while True:
        try:
            connect(url)
        except ChaoslabError:
            if time.monotonic() > until or (pid_of(folder) is None and time.monotonic() > until - READY_S / 2):
                last = (folder / "log").read_text(errors="replace").splitlines()[-1:]
                raise ChaoslabError(f"our Docker daemon does not answer: {' '.join(last)}") from None
            time.sleep(0.05)
        else:
            return url


def pid_of(folder: Path) -> int | None:
    """Return the pid of the daemon of a folder, or None; another process with its pid does not count."""
    try:
        pid = int((folder / "docker.pid").read_text())
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return None
    return pid if f"--pidfile={folder / 'docker.pid'}".encode() in words else None


def stop(folder: Path) -> None:
    """End our own daemon with all that it runs, and take its data away. Harmless when it does not run."""
    pid = pid_of(folder)
    if pid is not None:
        clear(connect(url_of(folder)))
        os.kill(pid, signal.SIGTERM)
        until = time.monotonic() + END_S
        while pid_of(folder) is not None:
            if time.monotonic() > until:
                raise ChaoslabError(f"our Docker daemon, process {pid}, does not end")
            time.sleep(0.05)
    unmount(folder)
    shutil.rmtree(folder, ignore_errors=True)


def unmount(folder: Path) -> None:
    """Take away the mounts below a folder that a daemon left when it was killed, the innermost first.

    The last of its processes may still be ending and hold one; what is held for longer is let go of when they do.
    """
    until = time.monotonic() + END_S / 6
    while places := mounts_below(folder):
        patient = time.monotonic() < until
        for place in reversed(places):
            words = ["umount", *([] if patient else ["--lazy"]), place]
            subprocess.run(words, check=not patient, capture_output=True, timeout=30)
        time.sleep(0.05)


def mounts_below(folder: Path) -> list[str]:
    """Return where something is mounted below a folder, the outermost first."""
    places = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return [place for place in places if place.startswith(f"{folder.absolute()}/")]


def clear(client: Any) -> None:
    """Remove the containers and networks of our own daemon: its bridges would stay in the host's network."""
    for container in client.containers.list(all=True, ignore_removed=True):
        container.remove(force=True, v=True)
    client.networks.prune()


if __name__ == "__main__":
    raise SystemExit(main())
