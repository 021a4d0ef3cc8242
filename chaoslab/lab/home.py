"""The folder of a lab: where it is, what lies in it, and how only one command at a time works on it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chaoslab.lab.databases import LabFailed
from chaoslab.postgres.servers.folders import make_passable, write_private
from chaoslab.postgres.servers.ports import free_port, is_free
from chaoslab.runtime.clock import CLOCK
from chaoslab.runtime.identity import boot_id
from chaoslab.runtime.places import state_folder

VARIABLE = "CHAOSLAB_LAB_HOME"
ROOT_HOME = Path("/var/lib/chaoslab/lab")
"""Root's lab: a folder that the server's user can reach, which root's own home is not."""
FILES = ("state.json", "ports.json", "heartbeat.json", "service.json", "redis.conf", "boot", "lock")
LOCK_S = 120.0
POLL_S = 0.05


class Home:
    """The folder of one lab."""

    def __init__(self, path: Path | None = None) -> None:
        """Take the folder; without one, $CHAOSLAB_LAB_HOME or the user's usual place."""
        self.path = (path or _usual()).absolute()

    @property
    def server(self) -> Path:
        """The folder of the PostgreSQL server."""
        return self.path / "postgres"

    @property
    def standby(self) -> Path:
        """The folder of its standby, if the lab has one."""
        return self.path / "standby"

    @property
    def kafka(self) -> Path:
        """The folder of its Kafka broker, if the lab has one."""
        return self.path / "kafka"

    @property
    def clock(self) -> Path:
        """What moves the service's clock, if the lab was asked for one that can be moved."""
        return self.path / "clock" / "service"

    @property
    def state(self) -> Path:
        """What `lab start` found or made, for `lab status`."""
        return self.path / "state.json"

    @property
    def control(self) -> Path:
        """The control socket of the proxy before the database."""
        return self.proxy_control("proxy")

    def proxy_control(self, part: str) -> Path:
        """Return the control socket of a proxy: `proxy`, `redis-proxy` ..."""
        return self.path / f"{part}.sock"

    def controls(self) -> list[Path]:
        """Return all control sockets that there are."""
        return sorted(self.path.glob("*.sock"))

    @property
    def acks(self) -> Path:
        """The heartbeat's acknowledgement log."""
        return self.path / "acks.log"

    @property
    def service_pid(self) -> Path:
        """Which process the service is at the moment."""
        return self.pid_file("service")

    def pid_file(self, name: str) -> Path:
        """Return the file that says which process something is at the moment: `service`, `redis`, `twin` ..."""
        return self.path / "run" / f"{name}.pid"

    def pid_files(self) -> list[Path]:
        """Return all pid files that there are."""
        return sorted((self.path / "run").glob("*.pid"))

    def record(self, part: str) -> Path:
        """Return the file that says which process a part is."""
        return self.path / "run" / f"{part}.json"

    def log(self, part: str) -> Path:
        """Return the log of a part."""
        return self.path / "logs" / f"{part}.log"

    def make(self) -> None:
        """Make the folder.

        Raises:
            LabFailed: it cannot be made.
        """
        try:
            make_passable(self.path)
            for name in ("run", "logs"):
                (self.path / name).mkdir(mode=0o700, exist_ok=True)
        except OSError as broken:
            raise LabFailed(f"{self.path} cannot be the lab's home ({broken}); set {VARIABLE}") from broken

    @contextlib.contextmanager
    def alone(self, patience_s: float = LOCK_S) -> Iterator[None]:
        """Be the only command at work on this lab.

        Args:
            patience_s: seconds to wait for another one to finish

        Raises:
            LabFailed: another one is still at work.
        """
        until = CLOCK.mono() + patience_s
        while True:
            self.make()
            file = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # A lab that was removed meanwhile took its lock file along: what we hold must be the one of the path.
                if os.path.samestat(os.fstat(file), (self.path / "lock").stat()):
                    break
            except BlockingIOError:
                if CLOCK.mono() > until:
                    os.close(file)
                    raise LabFailed(f"another command is at work on the lab in {self.path}") from None
                CLOCK.sleep(POLL_S)
            except FileNotFoundError:
                pass
            os.close(file)
        try:
            yield
        finally:
            os.close(file)

    def forget_other_boots(self) -> None:
        """Drop acknowledgements from before a reboot: their instants are on a clock that began anew."""
        boot = self.path / "boot"
        if boot.exists() and boot.read_text() == boot_id():
            return
        for path in self.path.glob("acks.log*"):
            path.unlink(missing_ok=True)
        write_private(boot, boot_id())

    def remove(self) -> None:
        """Take the lab's own files away, and the folder when nothing else is in it; call it from within `alone`."""
        for name in ("run", "logs", "clock"):
            shutil.rmtree(self.path / name, ignore_errors=True)
        leftovers = (path for pattern in ("acks.log*", "*.new", "*.sock") for path in self.path.glob(pattern))
        for path in (*(self.path / name for name in FILES), *leftovers):
            path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self.path.rmdir()

    def read(self, name: str) -> dict[str, Any]:
        """Return what a JSON file of the lab says; a missing or torn one says nothing."""
        try:
            content = json.loads((self.path / name).read_text())
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}

    def write(self, name: str, content: dict[str, Any]) -> None:
        """Replace a JSON file of the lab at once."""
        write_private(self.path / name, json.dumps(content, indent=1) + "\n")

    def port(self, part: str, *, in_use: bool) -> int:
        """Return a part's port on loopback: the one it had, unless it is down and somebody else took it.

        Args:
            part: whose port
            in_use: the part itself is up and listens on it
        """
        ports = self.read("ports.json")
        known = ports.get(part)
        if isinstance(known, int) and (in_use or is_free(known)):
            return known
        ports[part] = free_port()
        self.write("ports.json", ports)
        return int(ports[part])


def _usual() -> Path:
    given = os.environ.get(VARIABLE, "")
    if given:
        return Path(given).expanduser()
    return ROOT_HOME if os.geteuid() == 0 else state_folder() / "lab"
