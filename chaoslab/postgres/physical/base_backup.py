"""Take a base backup of a server as pg_basebackup does, plain or as tar files; its WAL is in the archive."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from chaoslab.core.errors import BadUsage
from chaoslab.postgres.connect import connect, split_password
from chaoslab.postgres.programs.binaries import Binaries
from chaoslab.postgres.programs.commands import PostgresFailed, last_line
from chaoslab.postgres.programs.tools import running
from chaoslab.postgres.servers.cluster import Cluster
from chaoslab.postgres.servers.folders import give, make_passable
from chaoslab.postgres.snapshot import ask

FORMS = {"plain": ["--format=plain"], "tar": ["--format=tar"], "tar.gz": ["--format=tar", "--gzip"]}
PLACE_MAX_BYTES = 99
"""A longer path of a tablespace does not fit into the header of a tar file, which is how the server sends it."""
_TABLESPACES = "SELECT oid, pg_tablespace_location(oid) FROM pg_tablespace WHERE pg_tablespace_location(oid) <> ''"


def take_base_backup(
    cluster: Cluster,
    folder: Path,
    binaries: Binaries,
    *,
    deadline_s: float,
    watch: Callable[[], None],
    form: str = "plain",
) -> None:
    """Copy a running server into a folder, with a manifest; the server checks its page checksums on the way.

    Args:
        cluster: the server
        folder: where the copy goes; it must not exist. Tablespaces of a plain one go beside it
        binaries: PostgreSQL's programs
        deadline_s: seconds that it may take
        watch: called again and again; what it raises stops it
        form: `plain`, `tar` or `tar.gz`

    Raises:
        BadUsage: there is no such form, or a tablespace lies too deep.
        ConnectFailed: the server does not answer.
        PostgresFailed: pg_basebackup failed, also because a page is damaged.
        TookTooLong: the deadline passed.
    """
    if form not in FORMS:
        raise BadUsage(f"form: there is no base backup of form {form!r}; choose one of {', '.join(FORMS)}")
    dsn = cluster.dsn()
    with connect(dsn, who="the stand-in") as connection:
        spaces = ask(lambda: connection.execute(_TABLESPACES).fetchall(), "the tablespaces")
    for _, place in spaces:
        if len(os.fsencode(place)) > PLACE_MAX_BYTES:
            raise BadUsage(f"scratch_dir: {place} is too long for pg_basebackup; name a folder less deep")
    if not folder.parent.exists():
        make_passable(folder.parent)
        give(folder.parent, cluster.user)
    conninfo, secret = split_password(dsn)
    options = [*FORMS[form], "--wal-method=none", "--checkpoint=fast", "--no-password", "--no-sync"]
    options += ["--manifest-checksums=SHA256", f"--label={folder.name}", f"--pgdata={folder}", f"--dbname={conninfo}"]
    if form == "plain":
        options += [f"--tablespace-mapping={_escaped(old)}={folder}.tablespaces/{oid}" for oid, old in spaces]
    with running([binaries.program("pg_basebackup"), *options], environment=secret, user=cluster.user) as program:
        ended = program.wait(deadline_s, watch)
    if ended.status != 0:
        raise PostgresFailed(f"pg_basebackup failed: {last_line(ended.messages)}")


def _escaped(path: str) -> str:
    return path.replace("=", "\\=")
