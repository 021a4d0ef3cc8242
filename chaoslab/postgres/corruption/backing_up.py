"""Make a base backup of a stand-in, as `pg_basebackup` does, without its WAL: that is in the archive."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from chaoslab.postgres.binaries import Binaries
from chaoslab.postgres.cluster import Cluster
from chaoslab.postgres.commands import PostgresFailed, last_line
from chaoslab.postgres.connect import connect, split_password
from chaoslab.postgres.folders import give, make_passable
from chaoslab.postgres.snapshot import ask
from chaoslab.postgres.tools import running

_TABLESPACES = "SELECT oid, pg_tablespace_location(oid) FROM pg_tablespace WHERE pg_tablespace_location(oid) <> ''"


def take_base_backup(
    cluster: Cluster, folder: Path, binaries: Binaries, *, deadline_s: float, watch: Callable[[], None]
) -> None:
    """Copy a running server into a folder, with a manifest; the server checks its page checksums on the way.

    Args:
        cluster: the server
        folder: where the copy goes; it must not exist. Its tablespaces go beside it
        binaries: PostgreSQL's programs
        deadline_s: seconds that it may take
        watch: called again and again; what it raises stops it

    Raises:
        ConnectFailed: the server does not answer.
        PostgresFailed: pg_basebackup failed, also because a page is damaged, or took too long.
    """
    dsn = cluster.dsn()
    with connect(dsn, who="the stand-in") as connection:
        spaces = ask(lambda: connection.execute(_TABLESPACES).fetchall(), "the tablespaces")
    if not folder.parent.exists():
        make_passable(folder.parent)
        give(folder.parent, cluster.user)
    conninfo, secret = split_password(dsn)
    options = ["--format=plain", "--wal-method=none", "--checkpoint=fast", "--no-password", "--no-sync"]
    options += ["--manifest-checksums=SHA256", f"--label={folder.name}", f"--pgdata={folder}", f"--dbname={conninfo}"]
    options += [f"--tablespace-mapping={_escaped(old)}={folder}.tablespaces/{oid}" for oid, old in spaces]
    with running([binaries.program("pg_basebackup"), *options], environment=secret, user=cluster.user) as program:
        ended = program.wait(deadline_s, watch)
    if ended.status != 0:
        raise PostgresFailed(f"pg_basebackup failed: {last_line(ended.messages)}")


def _escaped(path: str) -> str:
    return path.replace("=", "\\=")
