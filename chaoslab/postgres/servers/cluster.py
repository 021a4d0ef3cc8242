"""A PostgreSQL server of our own in one folder: made, started, stopped and removed, also by another process.

Loopback only, a random password, and everything in one place:

    FOLDER/cluster.json    how to start and reach it (mode 0600: it holds the password)
    FOLDER/settings.json   what chaoslab.conf says, the port among it
    FOLDER/data/           PostgreSQL's own; our settings in data/chaoslab.conf
    FOLDER/socket/         its Unix socket, when the path is short enough for one
    FOLDER/server.log
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from urllib.parse import quote

from chaoslab.postgres.programs.binaries import Binaries
from chaoslab.postgres.programs.commands import PostgresFailed, ServerUser, last_line, run, server_user
from chaoslab.postgres.servers import postmaster, share
from chaoslab.postgres.servers.folders import give, make_passable, require_empty, write_private
from chaoslab.postgres.servers.ports import free_port, is_free
from chaoslab.runtime.clock import CLOCK

SOCKET_PATH_MAX_BYTES = 107
"""The kernel's limit for a Unix socket's path, without the final zero."""
RETRY_S = 0.2
PASSING = (
    "Address already in use",  # somebody was faster with the port
    "pre-existing shared memory block",  # children of a killed server have not noticed yet
    "postmaster.pid",  # somebody else is starting it
)


@dataclass(frozen=True)
class Cluster:
    """A handle on the server in a folder. It can be rebuilt from the folder alone: `Cluster.open(folder)`."""

    folder: Path
    bin: Path
    major: int
    superuser: str
    password: str = field(repr=False)
    user: ServerUser | None
    """Who runs it; None when we do ourselves."""

    @classmethod
    def create(
        cls,
        folder: Path,
        binaries: Binaries,
        *,
        superuser: str = "postgres",
        settings: Mapping[str, str | int] | None = None,
        checksums: bool = False,
        wal_segment_mb: int = 16,
        deadline_s: float = 60.0,
    ) -> Cluster:
        """Make a new, stopped server in a folder that does not exist or is empty.

        Args:
            folder: its home; every folder above it must be passable for the server's user
            binaries: the server programs
            superuser: the name of its first role
            settings: lines for chaoslab.conf, such as {"shared_buffers": "64MB"}; `port` is chosen if absent
            checksums: let the server find flipped bits in its pages
            wal_segment_mb: MiB of a WAL segment, a power of two
            deadline_s: seconds that initdb may take

        Raises:
            PostgresFailed: the folder is not usable, or initdb failed; what was made is removed again.
        """
        password = secrets.token_urlsafe(18)
        home = folder.absolute()
        cluster = cls(home, binaries.bin, binaries.major, superuser, password, server_user())
        require_empty(home)
        try:
            cluster._make_folders()
            cluster._initdb(
                [*(["--data-checksums"] if checksums else []), f"--wal-segsize={wal_segment_mb}"], deadline_s
            )
            cluster.configure({"port": free_port(), **(settings or {})})
        except BaseException:
            shutil.rmtree(home, ignore_errors=True)
            raise
        return cluster

    @classmethod
    def open(cls, folder: Path) -> Cluster:
        """Return the handle on a server that some process made in this folder.

        Raises:
            PostgresFailed: there is none, or its description is torn.
        """
        try:
            known = json.loads((folder / "cluster.json").read_text())
            user = known.pop("user")
            known["user"] = ServerUser(**{**user, "groups": tuple(user["groups"])}) if user else None
            return cls(folder=folder.absolute(), **{**known, "bin": Path(known["bin"])})
        except (OSError, ValueError, KeyError, TypeError) as broken:
            raise PostgresFailed(f"{folder} holds no server of ours: {broken}") from broken

    @property
    def data(self) -> Path:
        """PostgreSQL's data folder."""
        return self.folder / "data"

    @property
    def log(self) -> Path:
        """The server's log file."""
        return self.folder / "server.log"

    @property
    def socket(self) -> Path | None:
        """The folder of its Unix socket; None when the path would be too long for one."""
        path = self.folder / "socket"
        return path if len(os.fsencode(path / ".s.PGSQL.65535")) <= SOCKET_PATH_MAX_BYTES else None

    @property
    def settings(self) -> dict[str, str]:
        """What was configured, the port among it."""
        path = self.folder / "settings.json"
        return dict(json.loads(path.read_text())) if path.exists() else {}

    @property
    def port(self) -> int:
        """The TCP port on 127.0.0.1."""
        return int(self.settings["port"])

    def dsn(self, database: str = "postgres", *, user: str = "", password: str = "", port: int = 0) -> str:
        """Return a connection URI over loopback.

        Args:
            database: its name
            user: its role; the superuser when absent
            password: the role's
            port: of a proxy in front of the server
        """
        name, secret = (user, password) if user else (self.superuser, self.password)
        login = f"{quote(name, safe='')}:{quote(secret, safe='')}" if secret else quote(name, safe="")
        return f"postgresql://{login}@127.0.0.1:{port or self.port}/{quote(database, safe='')}"

    def configure(self, settings: Mapping[str, str | int]) -> None:
        """Add or change settings; they count from the next start (or reload) on.

        Args:
            settings: names and values of postgresql.conf
        """
        merged = {**self.settings, **{name: str(value) for name, value in settings.items()}}
        write_private(self.folder / "settings.json", json.dumps(merged, indent=1))
        always = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": str(self.socket or ""),
            # In the data folder instead of /dev/shm: removed with it, also when the server was killed.
            "dynamic_shared_memory_type": "mmap",
        }
        lines = [f"{name} = {_quoted(value)}\n" for name, value in {**always, **merged}.items()]
        write_private(self.data / "chaoslab.conf", "".join(lines), self.user)

    def start(self, deadline_s: float = 60.0) -> None:
        """Start the server and wait until it answers; do nothing when it runs.

        A port that somebody else took meanwhile is replaced by a free one.

        Args:
            deadline_s: seconds until it must be ready, crash recovery included

        Raises:
            PostgresFailed: it did not come up; with the telling line of its log.
        """
        until = CLOCK.mono() + deadline_s
        while not postmaster.is_ready(self.folder):
            if self.pid() is not None:  # somebody else is starting it
                if CLOCK.mono() > until:
                    raise PostgresFailed(f"the server in {self.folder} is not ready after {deadline_s:g} s")
                CLOCK.sleep(postmaster.POLL_S)
                continue
            postmaster.clear_leftovers(self.folder)
            if not is_free(self.port):
                self.configure({"port": free_port()})
            begin = self.log.stat().st_size if self.log.exists() else 0
            try:
                self._pg_ctl_start(max(1.0, until - CLOCK.mono()))
            except PostgresFailed as broken:
                said = _read_from(self.log, begin)
                if CLOCK.mono() > until or not any(sign in said for sign in PASSING):
                    reason = last_line(said or str(broken))
                    raise PostgresFailed(f"the server in {self.folder} did not start: {reason}") from broken
                CLOCK.sleep(RETRY_S)

    def stop(self, mode: str = "fast", deadline_s: float = 30.0) -> None:
        """Stop the server, harder when it does not stop in time. Harmless when it does not run.

        Args:
            mode: `smart` waits for clients, `fast` ends them, `immediate` needs crash recovery later
            deadline_s: seconds that this way may take before it is forced

        Raises:
            PostgresFailed: not even SIGKILL ended it.
        """
        postmaster.stop(self.folder, mode, deadline_s)

    def reload(self) -> None:
        """Let the running server read its settings again.

        Raises:
            PostgresFailed: it does not run.
        """
        pid = self.pid()
        if pid is None:
            raise PostgresFailed(f"the server in {self.folder} does not run")
        os.kill(pid, signal.SIGHUP)

    def pid(self) -> int | None:
        """Return the process id of the running server, or None."""
        return postmaster.postmaster(self.folder)

    def log_tail(self, lines: int = 5) -> str:
        """Return the last lines of the server's log, for an error message."""
        return "\n".join(_read_from(self.log, 0).splitlines()[-lines:])

    def destroy(self, deadline_s: float = 10.0) -> None:
        """Stop the server and remove its folder. Harmless when it is gone already.

        Args:
            deadline_s: seconds that the server may take to stop before it is forced

        Raises:
            PostgresFailed: the folder holds something else too, or cannot be removed.
        """
        postmaster.destroy(self.folder, deadline_s)

    def _make_folders(self) -> None:
        try:
            make_passable(self.folder)
            for path in (self.data, self.folder / "socket"):
                path.mkdir(mode=0o700)
                give(path, self.user)
            self.log.touch(mode=0o600)
            give(self.log, self.user)
        except OSError as broken:
            raise PostgresFailed(f"{self.folder} cannot hold a server: {broken}") from broken
        if self.user is not None:
            try:
                run(["test", "-w", self.data], deadline_s=5, user=self.user)
            except PostgresFailed as broken:
                whom = f"user {self.user.name}, who has to run the server,"
                raise PostgresFailed(f"{whom} cannot pass into {self.folder}: choose another folder") from broken

    def _initdb(self, more: list[str], deadline_s: float) -> None:
        secret = self.folder / "password"
        write_private(secret, self.password + "\n", self.user)
        options = ["--no-sync", "--no-instructions", "--encoding=UTF8", "--locale=C.UTF-8"]
        options += ["--auth=scram-sha-256", f"--pwfile={secret}", f"--username={self.superuser}"]
        options += ["-D", str(self.data), *more]
        try:
            with share.options(self.bin, self.major, self.folder) as shared:
                run([self.bin / "initdb", *options, *shared], deadline_s=deadline_s, user=self.user)
        finally:
            secret.unlink(missing_ok=True)
        with (self.data / "postgresql.conf").open("a") as conf:
            conf.write("\ninclude 'chaoslab.conf'\n")
        known = {name: value for name, value in asdict(self).items() if name != "folder"}
        write_private(self.folder / "cluster.json", json.dumps({**known, "bin": str(self.bin)}, indent=1))

    def _pg_ctl_start(self, deadline_s: float) -> None:
        command: list[str | Path] = [self.bin / "pg_ctl", "start", "-w", "-s", "-t", str(round(deadline_s))]
        run([*command, "-D", self.data, "-l", self.log], deadline_s=deadline_s + 5, user=self.user)


def _quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"


def _read_from(path: Path, begin: int) -> str:
    try:
        with path.open("rb") as stream:
            stream.seek(begin)
            return stream.read().decode(errors="replace")
    except OSError:
        return ""
