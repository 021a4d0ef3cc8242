"""Questions to many servers, for the steady state before a drill. They change nothing."""

from __future__ import annotations

from collections.abc import Sequence

from chaoslab.core.errors import ChaoslabError
from chaoslab.postgres.fleet.members import servers_of
from chaoslab.postgres.programs.binaries import find_binaries
from chaoslab.postgres.server import server_major
from chaoslab.runtime.session import current, has_session
from chaoslab.runtime.steps import step

_PROGRAMS = ("initdb", "pg_ctl", "pg_dump", "pg_dumpall", "pg_restore", "psql")


@step("baseline")
def any_answers(source: str | Sequence[str], bin_dir: str = "") -> bool:
    """Say whether at least one server answers, and whether the programs here are new enough for all that do.

    One server of several that is down does not stop the drill for the others: it fails it.

    Args:
        source: the servers' DSNs
        bin_dir: folder of PostgreSQL's programs; '' looks for them

    Raises:
        ConnectFailed: none answers, and why the first does not; without the password.
        Missing: the programs are absent or too old; says what to install.
    """
    majors, broken = [], None
    for server in servers_of(source):
        if has_session():
            current().secrets.register_dsn(server.dsn)
        try:
            majors.append(server_major(server.dsn, who=f"server {server.label}"))
        except ChaoslabError as error:
            broken = broken or error
    if not majors and broken is not None:
        raise broken
    binaries = find_binaries(max(majors), bin_dir)
    return all(binaries.program(name).exists() for name in _PROGRAMS)
