"""Get into a recovered server, whose passwords nobody has told us: by its socket, or alone with it."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

from chaoslab.postgres.connect import ConnectFailed, connect
from chaoslab.postgres.physical.fencing import SUPERUSERS
from chaoslab.postgres.programs.binaries import Binaries
from chaoslab.postgres.programs.commands import PostgresFailed, run
from chaoslab.postgres.servers.cluster import Cluster
from chaoslab.postgres.servers.scratch import SUPERUSER

_ALONE_S = 60.0
_HAS_ROLE = "SELECT count(*) FROM pg_roles WHERE rolname = %s"


def let_us_in(cluster: Cluster, binaries: Binaries) -> Cluster:
    """Give a role of ours the cluster's random password, so that it can be reached over loopback.

    Raises:
        PostgresFailed: neither way led in.
    """
    if cluster.socket is not None:
        for role in SUPERUSERS:
            with suppress(ConnectFailed):
                _by_socket(cluster, role)
                return cluster
    _alone(cluster, binaries)
    return cluster


def _by_socket(cluster: Cluster, role: str) -> None:
    dsn = f"host={cluster.socket} port={cluster.port} user={role} dbname=template1"
    with connect(dsn, who="the recovered server", read_only=False) as connection:
        row = connection.execute(_HAS_ROLE, [SUPERUSER]).fetchone()
        connection.execute(_grant(cluster, known=bool(row and row[0])))


def _alone(cluster: Cluster, binaries: Binaries) -> None:
    """Stop the server and ask it in single-user mode, where everybody is the first superuser."""
    cluster.stop()
    command: list[str | Path] = [binaries.program("postgres"), "--single", "-D", cluster.data, "template1"]

    def ask(sql: str) -> str:
        return run(command, deadline_s=_ALONE_S, user=cluster.user, input_text=sql + "\n")

    known = re.search(rf'rolname = "{SUPERUSER}"', ask("SELECT rolname FROM pg_authid")) is not None
    ask(_grant(cluster, known=known))
    cluster.start()
    with connect(cluster.dsn("template1"), who="the recovered server") as connection:
        if connection.execute("SELECT 1").fetchone() is None:
            raise PostgresFailed("the recovered server does not answer")


def _grant(cluster: Cluster, *, known: bool) -> str:
    """Return the statement that makes our role, or gives it a password that nobody else knows."""
    verb = "ALTER" if known else "CREATE"
    return f"{verb} ROLE {SUPERUSER} LOGIN SUPERUSER PASSWORD '{cluster.password}'"
