"""A real S3 object store on loopback, for trying and testing: Ceph's gateway, one or two regions with replication.

    store = ObjectStore(Path("/tmp/objects"))
    store.start(zones=("a", "b"))        # about 3 s; data are in memory
    store.environment("a")               # AWS_... for boto3, the aws command line and others
    store.stop()

Debian: apt-get install --no-install-recommends ceph-mon ceph-osd ceph-common radosgw
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from chaoslab.core.errors import Missing
from chaoslab.lab import ceph, parts
from chaoslab.lab.databases import LabFailed
from chaoslab.lab.home import Home
from chaoslab.lab.parts import Part
from chaoslab.postgres.programs.commands import PostgresFailed, run
from chaoslab.postgres.servers.ports import free_port

PROGRAMS = ("ceph-mon", "ceph-osd", "ceph", "monmaptool", "radosgw", "radosgw-admin", "openssl")
PACKAGES = "ceph-mon ceph-osd ceph-common radosgw openssl"
COMMAND_DEADLINE_S = 120.0
READY_S = 120.0
GONE_S = 10.0
ATTEMPTS = 3
"""Somebody may take a port between its choice and its use."""


class ObjectStore:
    """A handle on the object store in a folder. It survives the process that started it, and is stopped by pid."""

    def __init__(self, folder: Path) -> None:
        """Take its folder, which is its own."""
        self._home = Home(folder)

    @property
    def folder(self) -> Path:
        """Its folder."""
        return self._home.path

    @property
    def access_key(self) -> str:
        """The key of its user."""
        return str(self._known["access_key"])

    @property
    def secret_key(self) -> str:
        """The secret of its user."""
        return str(self._known["secret_key"])

    @property
    def certificate(self) -> Path:
        """The certificate of its https endpoints, which signed itself: AWS_CA_BUNDLE for clients."""
        return self.folder / "tls.crt"

    def url(self, zone: str = "a") -> str:
        """Return the endpoint of a zone."""
        return f"http://{ceph.ADDRESS}:{self._known['zones'][zone]['port']}"

    def https_url(self, zone: str = "a") -> str:
        """Return the endpoint of a zone with encryption."""
        return f"https://{ceph.ADDRESS}:{self._known['zones'][zone]['https_port']}"

    def environment(self, zone: str = "a", *, https: bool = False) -> dict[str, str]:
        """Return the variables by which boto3 and the aws command line find a zone and its user."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL_S3": self.https_url(zone) if https else self.url(zone),
            # boto3 would otherwise append checksums to what it sends, which this gateway does not take over https.
            "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
            **({"AWS_CA_BUNDLE": str(self.certificate)} if https else {}),
        }

    def start(self, zones: Sequence[str] = ("a",), *, size_bytes: int = 2 << 30) -> None:
        """Make a new, empty store and wait until every zone answers; an earlier one in the folder is removed.

        Args:
            zones: names of its regions, `("a",)` or `("a", "b")`; what is written in one is replicated to the others
            size_bytes: how much memory its data may take

        Raises:
            Missing: Ceph is not installed.
            LabFailed: some part does not come up.
        """
        absent = [name for name in PROGRAMS if shutil.which(name) is None]
        if absent:
            raise Missing(", ".join(absent), f"apt-get install --no-install-recommends {PACKAGES}")
        for attempt in range(ATTEMPTS):
            self.remove()
            try:
                self._start(list(zones), size_bytes)
            except LabFailed:
                if attempt == ATTEMPTS - 1:
                    self.stop()
                    raise
            else:
                return

    def stop(self) -> None:
        """Stop everything; the data, which are in memory, are gone. Harmless when it does not run."""
        for name in [*(f"gateway-{zone}" for zone in self._known.get("zones", {})), "osd", "mon"]:
            self._kill(name, signal.SIGKILL)

    def remove(self) -> None:
        """Stop everything and remove the folder."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def stop_zone(self, zone: str, number: signal.Signals = signal.SIGKILL) -> None:
        """End the gateway of a zone; its data stay. Harmless when it is down."""
        self._kill(f"gateway-{zone}", number)

    def start_zone(self, zone: str) -> None:
        """Start the gateway of a zone and wait until it answers.

        Raises:
            LabFailed: it does not.
        """
        ports = self._known["zones"][zone]
        listen = f"beast endpoint={ceph.ADDRESS}:{ports['port']} ssl_endpoint={ceph.ADDRESS}:{ports['https_port']}"
        frontend = f"{listen} ssl_certificate={self.certificate} ssl_private_key={self.folder / 'tls.key'}"
        command = ["radosgw", "-f", "-n", f"client.rgw.{zone}", f"--rgw-zone={zone}", f"--rgw-frontends={frontend}"]
        self._ensure(f"gateway-{zone}", command, lambda: _listens(ports["port"]) and _listens(ports["https_port"]))

    def is_up(self, zone: str) -> bool:
        """Say whether the gateway of a zone runs."""
        return parts.running(self._home, f"gateway-{zone}") is not None

    def admin(self, *arguments: str) -> str:
        """Run radosgw-admin, which makes users and looks inside, and return what it says.

        Raises:
            LabFailed: it ended with an error.
        """
        return self._run("radosgw-admin", *arguments)

    def add_user(self, name: str) -> dict[str, str]:
        """Make another user and return its `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`."""
        key, secret = secrets.token_hex(8), secrets.token_hex(16)
        self.admin(
            "user", "create", f"--uid={name}", f"--display-name={name}", f"--access-key={key}", f"--secret={secret}"
        )
        return {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret}

    @property
    def _known(self) -> dict[str, Any]:
        return self._home.read("objects.json")

    @property
    def _environment(self) -> Mapping[str, str]:
        # Debian's programs in Python shall not find packages of the user's.
        return {"CEPH_CONF": str(self.folder / "ceph.conf"), "PYTHONNOUSERSITE": "1"}

    def _start(self, zones: list[str], size_bytes: int) -> None:
        self._home.make()
        for name in ("mon", "osd"):
            (self.folder / name).mkdir()
        known = {
            "access_key": secrets.token_hex(8),
            "secret_key": secrets.token_hex(16),
            "zones": {zone: {"port": free_port(), "https_port": free_port()} for zone in zones},
        }
        self._home.write("objects.json", known)
        self._make_certificate()
        self._start_cluster(str(uuid.uuid4()), free_port(), size_bytes)
        self._make_zones(zones)
        for zone in zones:
            self.start_zone(zone)
        # What is made before the zones have met waits for the next poll, 20 s later.
        for zone in zones[1:]:
            parts.becomes(partial(self._has_caught_up, zone), READY_S)

    def _has_caught_up(self, zone: str) -> bool:
        told = self.admin("sync", "status", f"--rgw-zone={zone}")
        return "metadata is caught up" in told and "data is caught up" in told.replace("metadata", "")

    def _make_certificate(self) -> None:
        names = f"subjectAltName=IP:{ceph.ADDRESS},DNS:localhost"
        files = ["-keyout", str(self.folder / "tls.key"), "-out", str(self.certificate)]
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        self._run("openssl", "req", "-x509", *curve, *files, "-days", "365", "-subj", "/CN=localhost", "-addext", names)

    def _start_cluster(self, identity: str, port: int, size_bytes: int) -> None:
        conf = ceph.configuration(self.folder, identity=identity, monitor_port=port, size_bytes=size_bytes)
        (self.folder / "ceph.conf").write_text(conf)
        chart = str(self.folder / "monmap")
        self._run("monmaptool", "--create", "--fsid", identity, "--addv", "a", f"[v1:{ceph.ADDRESS}:{port}]", chart)
        self._run("ceph-mon", "-i", "a", "--mkfs", "--monmap", chart)
        self._ensure("mon", ["ceph-mon", "-f", "-i", "a"], lambda: _listens(port))
        self._run("ceph", "osd", "new", identity)
        self._run("ceph", "osd", "crush", "add", "osd.0", "1", "root=default")
        self._run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", identity)
        # The commands below wait for it by themselves.
        self._ensure("osd", ["ceph-osd", "-f", "-i", "0"], lambda: True)

    def _make_zones(self, zones: list[str]) -> None:
        system = [f"--access-key=system{self.access_key}", f"--secret=system{self.secret_key}"]
        self.admin("realm", "create", f"--rgw-realm={ceph.REALM}", "--default")
        group = f"--rgw-zonegroup={ceph.GROUP}"
        self.admin("zonegroup", "create", group, "--master", "--default", f"--endpoints={self.url(zones[0])}")
        for zone in zones:
            master = ["--master", "--default"] if zone == zones[0] else []
            self.admin("zone", "create", group, f"--rgw-zone={zone}", *master, f"--endpoints={self.url(zone)}", *system)
        for arguments in ceph.storage_class_commands(zones):
            self.admin(*arguments)
        self.admin("period", "update", "--commit")
        first = f"--rgw-zone={zones[0]}"
        self.admin("user", "create", first, "--uid=system", "--display-name=system", "--system", *system)
        keys = [f"--access-key={self.access_key}", f"--secret={self.secret_key}"]
        self.admin("user", "create", first, "--uid=lab", "--display-name=lab", *keys)

    def _ensure(self, name: str, command: list[str], ready: Callable[[], bool]) -> None:
        parts.ensure(self._home, Part(name, tuple(command), self._environment), ready, patience_s=READY_S)

    def _run(self, *command: str) -> str:
        try:
            return run(command, deadline_s=COMMAND_DEADLINE_S, environment=self._environment)
        except PostgresFailed as failed:
            raise LabFailed(f"the object store cannot be made: {failed}") from failed

    def _kill(self, name: str, number: signal.Signals) -> None:
        identity = parts.running(self._home, name)
        if identity is None:
            return
        identity.send(number)
        if not parts.becomes(lambda: not identity.is_alive(), GONE_S):
            parts.end(identity)
        with suppress(ChildProcessError):
            os.waitpid(identity.pid, os.WNOHANG)


def _listens(port: int) -> bool:
    """Say whether something accepts connections on a port of loopback."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((ceph.ADDRESS, port)) == 0
