"""Detectors that ask the server: a client's reads, the server's own count of failures, digests of the rows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from chaoslab.postgres.connect import connect, load_psycopg, one_line
from chaoslab.postgres.corruption.detectors.seeing import Ground, Seen, clean, saw, unknown
from chaoslab.postgres.corruption.expecting import content_of, differing
from chaoslab.postgres.facts import content
from chaoslab.postgres.snapshot import CannotRead, ask
from chaoslab.runtime.clock import CLOCK

if TYPE_CHECKING:
    from chaoslab.postgres.snapshot import Connection

_TROUBLE = ("08", "42", "53", "55", "57")
"""Classes of SQLSTATE that tell of a lost connection, a missing right, a full machine, a timeout: not of damage."""
_BY_INDEX = ("enable_seqscan", "enable_sort", "enable_bitmapscan", "enable_indexonlyscan", "jit")
_FLUSH_S = 3.0
"""Sessions report what they counted within a second; a busy machine may take longer."""
_POLL_S = 0.1
_KEYS = """
SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY k.place)
FROM pg_index i, unnest(i.indkey) WITH ORDINALITY k (number, place), pg_attribute a
WHERE i.indrelid = to_regclass(%s) AND i.indisprimary AND a.attrelid = i.indrelid AND a.attnum = k.number
"""
_FAILURES = "SELECT sum(checksum_failures)::bigint FROM pg_stat_database"


def reads(ground: Ground) -> Seen:
    """Read every table as a client does, by its primary key where it has one; the first error of the data is it."""
    psycopg = load_psycopg()
    with connect(ground.dsn, who="the server", statement_timeout_s=ground.deadline_s) as connection:
        relations = ask(lambda: content.relations(connection), "the list of tables")
        # By the index into the table: a client that knows a key goes that way, so pages of both are read.
        for setting in _BY_INDEX:
            connection.execute(f"SET {setting} = off")
        for relation in relations:
            ground.watch()
            begun_s = CLOCK.mono()
            try:
                _read(connection, relation.name)
            except psycopg.Error as broken:
                ground.sample(CLOCK.mono() - begun_s, False, one_line(broken))
                message = f"{relation.name}: {one_line(broken)}"
                return saw(message) if _tells_of_damage(broken) else unknown(message)
            ground.sample(CLOCK.mono() - begun_s, True, "")
    return clean("every table could be read")


def _tells_of_damage(broken: Any) -> bool:
    state = broken.sqlstate
    return bool(state) and not state.startswith(_TROUBLE)


def _read(connection: Connection, table: str) -> None:
    row = connection.execute(_KEYS, [table]).fetchone()
    order = f" ORDER BY {row[0]}" if row and row[0] else ""
    connection.execute(f"SELECT sum(length(r::text)) FROM (SELECT * FROM ONLY {table}{order}) r")  # noqa: S608


def checksum_failures(ground: Ground) -> Seen:
    """Read every table, and see whether the server then counts more failed page checksums than before."""
    with connect(ground.dsn, who="the server") as connection:
        before = _failures(connection)
        if before is None:
            return unknown("page checksums are off")
        read = reads(replace(ground, sample=_no_sample))
        until_s = CLOCK.mono() + (_FLUSH_S if read.sight == "saw" else 0.0)
        while (now := _failures(connection) or 0) <= before and CLOCK.mono() < until_s:
            ground.watch()
            CLOCK.sleep(_POLL_S)
    if now > before:
        return saw(f"checksum_failures in pg_stat_database went from {before} to {now}")
    return clean(f"checksum_failures in pg_stat_database stayed {before}")


def _no_sample(latency_s: float, good: bool, note: str) -> None:
    """Leave the samples to the detector that stands for the client."""


def _failures(connection: Connection) -> int | None:
    row = ask(lambda: connection.execute(_FAILURES).fetchone(), "pg_stat_database")
    return None if row is None or row[0] is None else int(row[0])


def digests(ground: Ground) -> Seen:
    """Compare the rows with the digests that were noted while all was well."""
    if not ground.expected:
        return unknown("no digests were noted while all was well")
    try:
        now: dict[str, Any] = content_of(ground.dsn)
    except CannotRead as broken:
        return saw(str(broken))
    tables = differing(ground.expected["content"], now)
    return saw(f"other rows than before in {', '.join(tables)}") if tables else clean("the rows are the same")
