"""The scratch folder of a drill: the dump it makes or fetches, and the server it restores into.

    FOLDER/chaoslab-scratch.json   says whose it is; nothing without it is ever removed
    FOLDER/backup/                 the dump that the drill makes
    FOLDER/fetched/                the copy that is restored
    FOLDER/server/                 the server
    FOLDER/tablespaces/            where the source's tablespaces are put
    FOLDER/.../                    more servers, stand-ins among them, in folders of their own

Everything needed to remove it is in the folder, so any process can do that at any time.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from chaoslab.core.errors import BadUsage, ChaoslabError
from chaoslab.postgres.programs.binaries import Binaries
from chaoslab.postgres.programs.commands import server_user
from chaoslab.postgres.servers import postmaster
from chaoslab.postgres.servers.cluster import Cluster
from chaoslab.runtime.clock import CLOCK
from chaoslab.runtime.places import temporary_folder

MARKER = "chaoslab-scratch.json"
SUPERUSER = "chaoslab_scratch"
"""A name of its own, so that every role of the source, `postgres` too, can be created beside it."""
_HELPERS = {b"pg_dump", b"pg_dumpall", b"pg_restore", b"psql", b"initdb", b"pg_ctl"}
_HELPERS |= {b"pg_basebackup", b"pg_combinebackup", b"pg_verifybackup", b"pg_amcheck", b"pg_waldump"}
_HELPERS |= {b"pgbackrest", b"barman", b"rsync", b"tar"}
_MODULES = {b"chaoslab.postgres.physical.writers"}
"""Programs of ours that Python runs."""
_SERVER = {b"postgres"}
_PATIENCE_S = 5.0
_POLL_S = 0.02

_SAFE: dict[str, str | int] = {
    "archive_mode": "off",  # production's archive must never see a segment of ours
    "lc_messages": "C",  # findings are told apart by their English text
    "max_connections": 60,
    "wal_level": "minimal",
    "max_wal_senders": 0,
    "shared_buffers": "128MB",
    "max_locks_per_transaction": 256,
}
PROFILES: dict[str, dict[str, str | int]] = {
    # Fast: nothing in this server has to survive a crash. Not a production's recovery time.
    "verify": {
        **_SAFE,
        "fsync": "off",
        "full_page_writes": "off",
        "synchronous_commit": "off",
        "autovacuum": "off",
        "checkpoint_timeout": "1h",
        "max_wal_size": "8GB",
        "maintenance_work_mem": "256MB",
    },
    # Durable as production is: fsync, full pages, checkpoints and autovacuum as PostgreSQL comes.
    "rta": {**_SAFE, "wal_level": "replica"},
}


class ScratchFailed(ChaoslabError):
    """The scratch folder cannot be made, or is not ours to remove."""


@dataclass(frozen=True, slots=True)
class Scratch:
    """A scratch folder."""

    folder: Path

    @property
    def backup(self) -> Path:
        """Where a dump that the drill makes goes."""
        return self.folder / "backup"

    @property
    def fetched(self) -> Path:
        """Where the dump lies that is restored."""
        return self.folder / "fetched"

    @property
    def server(self) -> Path:
        """The folder of the scratch server."""
        return self.folder / "server"

    @property
    def tablespaces(self) -> Path:
        """Where the source's tablespaces are put."""
        return self.folder / "tablespaces"


def default_base() -> Path:
    """Return where scratch folders go unless told otherwise: the server's user must be able to pass."""
    return temporary_folder()


def make(folder: Path, token: str) -> Scratch:
    """Make a scratch folder that carries our marker.

    Args:
        folder: it must not exist yet
        token: what `remove` must present

    Raises:
        ScratchFailed: it exists, or cannot be made.
    """
    try:
        folder.mkdir(mode=0o711)
        folder.chmod(0o711)  # whatever the umask: the server's user has to pass
        (folder / MARKER).write_text(json.dumps({"token": token}))
        scratch = Scratch(folder)
        for path in (scratch.backup, scratch.fetched):
            path.mkdir(mode=0o700)
        scratch.tablespaces.mkdir(mode=0o711)
    except OSError as broken:
        raise ScratchFailed(f"the scratch folder {folder} cannot be made: {broken.strerror}") from None
    return scratch


def remove(folder: Path, token: str) -> None:
    """Stop what runs in a scratch folder and remove it. Harmless when it is gone or only half made.

    Raises:
        ScratchFailed: the folder is not the one that was made with this token.
        PostgresFailed: its server does not stop.
    """
    if not folder.exists():
        return
    try:
        marker = json.loads((folder / MARKER).read_text())
    except FileNotFoundError:
        if any(folder.iterdir()):
            raise ScratchFailed(f"{folder} does not carry our marker: it is left alone") from None
        folder.rmdir()  # made, but not marked yet
        return
    except ValueError:
        marker = {}  # its making was cut off in the middle of the marker
    if marker and marker.get("token") != token:
        raise ScratchFailed(f"{folder} is the scratch folder of another run: it is left alone")
    end_programs(folder)
    # One that was just being started has not written down its process id yet.
    _end(folder, _SERVER, signal.SIGQUIT)
    for server in _servers(folder):
        postmaster.destroy(server)
    _remove_tree(folder)


def provision(scratch: Scratch, binaries: Binaries, *, profile: str, jobs: int, deadline_s: float) -> Cluster:
    """Make and start the scratch server.

    Args:
        scratch: its scratch folder
        binaries: server programs at least as new as the dump
        profile: `verify` is fast, `rta` is durable as production is
        jobs: connections that will restore at the same time
        deadline_s: seconds that making and starting it may take

    Raises:
        BadUsage: there is no such profile.
        PostgresFailed: it does not come up.
    """
    if profile not in PROFILES:
        raise BadUsage(f"there is no profile {profile!r}; choose one of {', '.join(PROFILES)}")
    settings = {**PROFILES[profile], "max_worker_processes": max(8, 2 * jobs)}
    begun_s = CLOCK.mono()
    cluster = Cluster.create(scratch.server, binaries, superuser=SUPERUSER, settings=settings, deadline_s=deadline_s)
    cluster.start(max(1.0, deadline_s - (CLOCK.mono() - begun_s)))
    return cluster


def tablespace_folder(scratch: Scratch, name: str) -> Path:
    """Make the folder in which a tablespace of the source is put.

    Raises:
        ScratchFailed: it cannot be made.
    """
    # Short: pg_basebackup refuses a server with a tablespace whose path is longer than 100 bytes.
    path, user = scratch.tablespaces / hashlib.sha256(name.encode()).hexdigest()[:8], server_user()
    try:
        path.mkdir(mode=0o700)
        if user is not None:
            os.chown(path, user.uid, user.gid)
    except OSError as broken:
        raise ScratchFailed(f"no place for tablespace {name}: {broken.strerror}") from None
    return path


def end_programs(folder: Path) -> None:
    """End the dumps and restores that still work inside a folder though their runner is dead."""
    _end(folder, _HELPERS, signal.SIGKILL)


def _end(folder: Path, programs: set[bytes], number: signal.Signals) -> None:
    """End programs that outlived their runner: those with a path in this folder as an argument."""
    inside = os.fsencode(folder) + b"/"
    found = [pid for pid in _pids() if _works_inside(pid, inside, programs)]
    for pid in found:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)
    until_s = CLOCK.mono() + _PATIENCE_S
    while any(_works_inside(pid, inside, programs) for pid in found) and CLOCK.mono() < until_s:
        CLOCK.sleep(_POLL_S)


def _pids() -> list[int]:
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]


def _works_inside(pid: int, inside: bytes, programs: set[bytes]) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    name = words[0].rpartition(b"/")[2]
    if name.startswith(b"python") and len(words) > 1:
        name = words[1].rpartition(b"/")[2]  # barman is a script
    known = name in programs or (programs is _HELPERS and not _MODULES.isdisjoint(words))
    return known and any(inside in word for word in words[1:])


def _servers(folder: Path) -> list[Path]:
    """Return the folders of servers, whole or half made."""
    half_made = [folder / "server"] if (folder / "server").exists() else []
    return sorted({*half_made, *(entry for entry in folder.iterdir() if (entry / "data").is_dir())})


def _remove_tree(folder: Path) -> None:
    """Remove the folder, its marker last: a removal that was cut off can be taken up again."""
    try:
        for entry in folder.iterdir():
            if entry.name != MARKER:
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        (folder / MARKER).unlink()
        folder.rmdir()
    except OSError as broken:
        raise ScratchFailed(f"{folder} could not be removed: {broken}") from None
