"""Check a restored database's tables and B-trees block by block, with PostgreSQL's own pg_amcheck.

Digests read tables, not indexes: a row that an index does not know is there for them, and lost for whoever looks it
up. `--heapallindexed` proves that each row has its entries.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from chaoslab.core.errors import Missing
from chaoslab.postgres.connect import connect, load_psycopg, one_line, split_password
from chaoslab.postgres.difference import Difference
from chaoslab.postgres.programs.binaries import Binaries
from chaoslab.postgres.programs.commands import last_line
from chaoslab.postgres.programs.tools import running

_FOUND = 2
"""pg_amcheck's exit status when it ran and found something."""
_OUTPUT_MAX_BYTES = 1_000_000
_PLACE = re.compile(r'^(?P<kind>btree index|heap table) "(?P<where>.+?)"(?:, block \d+.*)?:?\s*$', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Checking:
    """How a database is to be checked."""

    binaries: Binaries
    jobs: int = 2
    deadline_s: float = 3600.0
    watch: Callable[[], None] = field(default=lambda: None)
    """Called again and again; what it raises stops the check."""


def check_indexes(dsn: str, how: Checking) -> list[Difference]:
    """Return what is damaged in tables and B-trees; or the warning that nothing could look.

    Args:
        dsn: a superuser's, to a scratch database: the extension amcheck is added for as long as it takes
        how: programs, connections, deadline

    Raises:
        ConnectFailed: it cannot be reached.
        TookTooLong: it did not end within its deadline.
    """
    try:
        program = how.binaries.program("pg_amcheck")
    except Missing as missing:
        return [_not_checked(str(missing))]
    psycopg = load_psycopg()
    with connect(dsn, who="the restored database", read_only=False) as connection:
        connection.execute("SET session_replication_role = replica")  # no event trigger of theirs fires
        known = connection.execute("SELECT count(*) FROM pg_extension WHERE extname = 'amcheck'").fetchone()
        added = not (known and known[0])
        try:
            if added:
                connection.execute("CREATE EXTENSION amcheck SCHEMA pg_catalog")
        except psycopg.Error as broken:
            return [_not_checked(one_line(broken))]
        try:
            return _run(program, dsn, how)
        finally:
            if added:
                connection.execute("DROP EXTENSION amcheck")


def _run(program: object, dsn: str, how: Checking) -> list[Difference]:
    conninfo, secret = split_password(dsn)
    options = ["--heapallindexed", "--no-password", f"--jobs={max(1, how.jobs)}"]
    with tempfile.TemporaryFile() as output:
        with running([str(program), *options, conninfo], environment=secret, stdout=output) as running_program:
            ended = running_program.wait(how.deadline_s, how.watch)
        output.seek(0)
        said = output.read(_OUTPUT_MAX_BYTES).decode(errors="replace")
    if ended.status == 0:
        return []
    found = list(damages(said)) if ended.status == _FOUND else []
    return found or [_not_checked(last_line(ended.messages or said))]


def damages(said: str) -> Iterator[Difference]:
    """Yield one finding for each table and index that pg_amcheck complains about, with its first complaint."""
    told: set[str] = set()
    places = list(_PLACE.finditer(said))
    for number, place in enumerate(places):
        if place["where"] in told:
            continue
        told.add(place["where"])
        end = places[number + 1].start() if number + 1 < len(places) else len(said)
        lines = [line.strip() for line in said[place.end() : end].splitlines() if line.strip()]
        reason = next((line for line in lines if not line.startswith(("DETAIL", "HINT", "CONTEXT"))), "damaged")
        is_index = place["kind"] == "btree index"
        code, kind = ("index-corrupt", "index") if is_index else ("table-corrupt", "table")
        # Its message holds places in the file; the lines behind it may hold values.
        name = place["where"].partition(".")[2] or place["where"]
        yield Difference(code, name, f"{kind} {name}: {reason.removeprefix('ERROR:').strip()}")


def _not_checked(reason: str) -> Difference:
    message = f"tables and indexes were not checked block by block: {reason}"
    return Difference("indexes-not-checked", "pg_amcheck", message, severity="warning")
