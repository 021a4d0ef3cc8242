"""Restore a dump into a server of ours: roles first, then the database, and every complaint becomes a finding."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from chaoslab.core.errors import ChaoslabError
from chaoslab.postgres.connect import connect, split_password
from chaoslab.postgres.difference import Difference
from chaoslab.postgres.logical.archive import Backup, open_plain
from chaoslab.postgres.logical.complaints import complaints
from chaoslab.postgres.logical.grants import without_foreign_grantors
from chaoslab.postgres.programs.binaries import Binaries
from chaoslab.postgres.programs.tools import Ended, TookTooLong, running
from chaoslab.postgres.servers.cluster import Cluster
from chaoslab.postgres.servers.scratch import Scratch, tablespace_folder
from chaoslab.runtime.clock import CLOCK

_MAINTENANCE = "template1"
"""Connected to while the database is made; `postgres` may be the one to be restored."""
_OVERRIDE = (
    "-c default_transaction_read_only=off -c statement_timeout=0 -c lock_timeout=0 "
    "-c idle_in_transaction_session_timeout=0 -c client_min_messages=warning"
)
"""A database's own settings take effect as soon as it exists, and must not stop its restore."""
_TABLESPACE = re.compile(
    r"^(?P<head>CREATE TABLESPACE (?P<name>\"(?:[^\"]|\"\")+\"|\S+) (?:OWNER \S+ )?LOCATION )'(?:[^']|'')*'", re.M
)
_EXPECTED = re.compile(r"42710: role \".*\" already exists|invalid command \\(?:un)?restrict")


class RestoreFailed(ChaoslabError):
    """There is no restored database to look at; the findings say why."""


@dataclass(frozen=True, slots=True)
class Restoring:
    """How a dump is restored."""

    scratch: Scratch
    cluster: Cluster
    binaries: Binaries
    jobs: int = 2
    deadline_s: float = 4 * 3600.0
    roles: bool = True
    """Restore the roles of the dump first; who restores many databases into one server has done that already."""
    watch: Callable[[], None] = field(default=lambda: None)
    """Called again and again; what it raises stops the restore."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What came of it."""

    database: str
    differences: list[Difference]
    usable: bool
    """Whether there is a database at all."""
    globals_s: float
    database_s: float


def restore_backup(backup: Backup, how: Restoring, *, database: str = "") -> Restored:
    """Restore roles and database, and collect all complaints.

    Args:
        backup: the dump
        how: the server and its deadlines
        database: the name to use when a plain dump does not say its own
    """
    begun_s = with_globals_s = CLOCK.mono()
    found: list[Difference] = []
    name = backup.database or database
    try:
        if how.roles and backup.globals_path is not None:
            found += restore_globals(backup.globals_path, how)
        elif how.roles:
            make_first_role(how.cluster)
        with_globals_s = CLOCK.mono()
        found += _judged(_restore_database(backup, how, name), backup, how)
    except TookTooLong as slow:
        found.append(Difference("restore-too-slow", backup.path.name, str(slow), expected=f"{how.deadline_s:g} s"))
    usable = how.cluster.pid() is not None and _exists(how.cluster, name)
    now_s = CLOCK.mono()
    return Restored(name, found, usable, with_globals_s - begun_s, now_s - with_globals_s)


def restore_globals(path: Path, how: Restoring) -> list[Difference]:
    """Restore roles, memberships and tablespaces, which belong to no database."""
    text = path.read_text(errors="replace")
    found = []

    def moved(match: re.Match[str]) -> str:
        name = match["name"].strip('"').replace('""', '"')
        found.append(
            Difference("tablespace-moved", name, f"tablespace {name} was put into the scratch folder", severity="note")
        )
        return f"{match['head']}'{tablespace_folder(how.scratch, name)}'"

    with tempfile.TemporaryFile() as script:
        script.write(without_foreign_grantors(_TABLESPACE.sub(moved, text)).encode())
        script.seek(0)
        ended = _psql(script, how, database=_MAINTENANCE)
    told = "\n".join(line for line in ended.messages.splitlines() if not _EXPECTED.search(line))
    return found + _gone_or([*complaints(told, archive=path.name)], ended, path.name, how)


def make_first_role(cluster: Cluster) -> None:
    """Make the role `postgres`, which a new server has before anything is restored, for dumps that come without roles.

    Raises:
        ConnectFailed: the server cannot be reached.
    """
    with connect(cluster.dsn(_MAINTENANCE), who="the scratch server", read_only=False) as connection:
        if connection.execute("SELECT FROM pg_roles WHERE rolname = 'postgres'").fetchone() is None:
            connection.execute("CREATE ROLE postgres SUPERUSER CREATEDB CREATEROLE LOGIN REPLICATION BYPASSRLS")


def _restore_database(backup: Backup, how: Restoring, name: str) -> Ended:
    if name == "postgres":
        with connect(how.cluster.dsn(_MAINTENANCE), who="the scratch server", read_only=False) as connection:
            connection.execute("DROP DATABASE IF EXISTS postgres")
    if backup.form in ("plain", "plain.gz"):
        return _restore_plain(backup, how, name)
    conninfo, secret = split_password(how.cluster.dsn(_MAINTENANCE))
    options = ["--create", "--no-password", "--no-subscriptions"]
    # Two jobs even on one core: only then is COPY in a transaction with TRUNCATE, and skips the WAL.
    options += [f"--jobs={max(2, how.jobs)}"] if backup.form != "tar" else []
    options += ["--no-tablespaces"] if backup.globals_path is None else []
    command: list[str | Path] = [how.binaries.program("pg_restore"), *options, f"--dbname={conninfo}", backup.path]
    with running(command, environment={**secret, "PGOPTIONS": _OVERRIDE}) as program:
        return program.wait(how.deadline_s, how.watch)


def _restore_plain(backup: Backup, how: Restoring, name: str) -> Ended:
    if not backup.database:
        with connect(how.cluster.dsn(_MAINTENANCE), who="the scratch server", read_only=False) as connection:
            quoted = '"' + name.replace('"', '""') + '"'
            connection.execute(f"CREATE DATABASE {quoted} TEMPLATE template0")
    target = _MAINTENANCE if backup.database else name
    if backup.form == "plain":
        with backup.path.open("rb") as script:
            return _psql(script, how, database=target)
    with tempfile.TemporaryFile(dir=how.scratch.fetched) as script, open_plain(backup.path, backup.form) as packed:
        shutil.copyfileobj(packed, script)
        script.seek(0)
        return _psql(script, how, database=target)


def _psql(script: IO[bytes], how: Restoring, *, database: str) -> Ended:
    """Run a script as the server's user: a dump can make psql run commands of its maker's choice."""
    conninfo, secret = split_password(how.cluster.dsn(database))
    options = ["--no-psqlrc", "--quiet", "--no-password", "--set=VERBOSITY=verbose", "--file=-"]
    command: list[str | Path] = [how.binaries.program("psql"), *options, f"--dbname={conninfo}"]
    environment = {**secret, "PGOPTIONS": _OVERRIDE}
    with running(command, environment=environment, user=how.cluster.user, stdin=script) as program:
        return program.wait(how.deadline_s, how.watch)


def _judged(ended: Ended, backup: Backup, how: Restoring) -> list[Difference]:
    found = [*complaints(ended.messages, archive=backup.path.name)]
    return _gone_or(found, ended, backup.path.name, how)


def _gone_or(found: list[Difference], ended: Ended, where: str, how: Restoring) -> list[Difference]:
    """Return one finding when the server died, since all other complaints follow from that; else all."""
    died = [one for one in found if one.code == "scratch-server-died"]
    if how.cluster.pid() is None or died:
        reason = _last_words(how.cluster)
        message = f"the scratch server died in the middle of the restore{reason}"
        return [Difference("scratch-server-died", "scratch server", message)]
    if ended.status != 0 and not found:
        message = f"{ended.name} ended with status {ended.status} and no message that is understood"
        return [Difference("restore-error", where, message)]
    return found


def _last_words(cluster: Cluster) -> str:
    telling = [line for line in cluster.log_tail(20).splitlines() if re.search(r"PANIC|FATAL|was terminated", line)]
    return f": {telling[-1][-200:]}" if telling else ""


def _exists(cluster: Cluster, name: str) -> bool:
    try:
        with connect(cluster.dsn(_MAINTENANCE), who="the scratch server") as connection:
            query = "SELECT count(*) FROM pg_database WHERE datname = %s"
            row = connection.execute(query, [name]).fetchone()
    except ChaoslabError:
        return False
    return bool(row and row[0])
