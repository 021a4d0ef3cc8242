"""`chaoslab backup`: dump a fleet, prove that it was stored, and delete what is superfluous, by date."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from chaoslab.cli.terminal import say_json, tell
from chaoslab.core.errors import Aborted, BadUsage, ExitCode

if TYPE_CHECKING:
    from chaoslab.backup.run import Job

SOURCE = "CHAOSLAB_BACKUP_SOURCE"
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_SIGNALLED = 128
_DAY_S = 86400


class _Asked(NamedTuple):
    """What the command line asks for."""

    sources: tuple[str, ...]
    source_file: Path | None
    databases: str
    exclude: tuple[str, ...]
    to: Path
    workers: int
    jobs: int
    dump_format: str
    compress: int
    rate_limit: str
    deadline: str
    s3: str
    s3_endpoint: str
    storage_class: str
    part_size: str
    keep_local: str
    keep_daily: str
    keep_weekly: str
    keep_monthly: str
    prune: bool
    dump: bool
    metrics: Path | None
    dry_run: bool
    as_json: bool


_EXAMPLES = """\b
Examples:
  chaoslab backup --source postgresql://backup@db-1/postgres --to /backups
  chaoslab backup --source-file /etc/chaoslab/servers --databases 'shop_*,billing' --to /backups
  chaoslab backup --source "$DSN" --to /backups --s3 s3://company-backups/postgres
  chaoslab backup --source "$DSN" --to /backups --s3 s3://company-backups/postgres --dry-run
  chaoslab backup --no-dump --to /backups --s3 s3://company-backups/postgres

\b
Restore without chaoslab, roles first:
  psql -f /backups/STAMP/SERVER.globals.sql postgres
  pg_restore --create --dbname postgres --jobs 4 /backups/STAMP/DATABASE-STAMP.dump
"""


@click.command(epilog=_EXAMPLES)
@click.option("--source", "sources", metavar="DSN", multiple=True, help="A server; repeat it for several.")
@click.option("--source-file", metavar="FILE", type=click.Path(path_type=Path), help="Servers, one DSN a line.")
@click.option(
    "--databases", default="all", show_default=True, metavar="LIST", help="Names and patterns, by commas; or all."
)
@click.option("--exclude", metavar="PATTERN", multiple=True, help="Databases to leave out.")
@click.option(
    "--to",
    default="backups",
    show_default=True,
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Where the sets lie.",
)
@click.option("--workers", type=click.IntRange(0), default=0, metavar="N", help="Databases at once [default: cores].")
@click.option("--jobs", type=click.IntRange(1), default=2, show_default=True, help="Connections a database.")
@click.option(
    "--format", "dump_format", type=click.Choice(["custom", "directory"]), default="custom", show_default=True
)
@click.option("--compress", type=click.IntRange(0, 9), default=1, show_default=True, help="gzip level of the dumps.")
@click.option("--rate-limit", default="", metavar="SIZE", help="Bytes a second that all dumps together may write.")
@click.option("--deadline", default="4h", show_default=True, help="How long one database may take.")
@click.option("--s3", default="", metavar="s3://BUCKET/PREFIX", help="Send every set there too.")
@click.option(
    "--s3-endpoint", default="", metavar="URL", help="A store other than Amazon's [env: AWS_ENDPOINT_URL_S3]."
)
@click.option("--storage-class", default="STANDARD_IA", show_default=True, help="Of the dumps in S3.")
@click.option("--part-size", default="16MiB", show_default=True, help="Larger files are sent in parts of this size.")
@click.option("--keep-local", default="7d", show_default=True, help="How long sets stay in DIR.")
@click.option("--keep-daily", default="30d", show_default=True, help="How long every set stays in S3.")
@click.option("--keep-weekly", default="90d", show_default=True, help="How long a week's first good set does.")
@click.option("--keep-monthly", default="365d", show_default=True, help="The first since a month's first Sunday.")
@click.option("--prune/--no-prune", default=True, help="Delete what no rule keeps [default], or nothing.")
@click.option("--dump/--no-dump", default=True, help="Dump [default], or only send and delete.")
@click.option("--metrics", metavar="FILE", type=click.Path(path_type=Path), help="Write metrics for Prometheus.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print what came of it as one JSON object.")
def command(**asked: Any) -> int:
    """Dump databases, prove that they were stored, and delete what is superfluous.

    Each run makes one set, DIR/STAMP: a dump and a manifest a database (checksums, server version, LSN, and the row
    counts and digests of the dumped snapshot), the roles of each server, and a set.json, last of all. A set under its
    final name is whole, whenever the machine stops; the next run clears what a dead one left. A database that fails
    stops no other; set.json and the exit code tell.

    With --s3 every file is read back, or held against the store's checksum, before the set counts as sent, and nothing
    is deleted here that is not there. What could not be sent is sent by the next run. Credentials are found as every
    tool of Amazon's finds them.

    Sets are deleted by their dates (UTC) alone. When Sunday's run failed, the next good set of the week is the week's.
    The last good dump of a database is never deleted.

    The source is only read; the role needs pg_read_all_data and CONNECT. Passwords come from the environment
    (PGPASSWORD, or DSNs in CHAOSLAB_BACKUP_SOURCE), from ~/.pgpass, or from --source-file; never from the command line.

    \b
    Exits 0 all done, 2 bad usage, 10 something failed and what is good is kept, 12 refused (another run is at work,
    something is missing), 130 or 143 stopped.
    """
    from chaoslab.backup.run import Told, plan_backup, run_backup
    from chaoslab.cli.backup_telling import Teller, as_json, print_plan, print_result

    wanted = _Asked(**asked)
    job = _job(wanted)
    if wanted.dry_run:
        result = plan_backup(job)
    else:
        teller = Teller()
        with _stoppable() as stopping, teller.ticking():
            told = Told(stopping.check, teller.chosen, teller.begun, teller.ended, teller.sending, teller.sent)
            try:
                result = run_backup(job, told)
            except Aborted as stopped:
                tell(f"chaoslab: stopped by {stopped.reason}; nothing half made is left under a final name")
                return _SIGNALLED + stopping.number
    code = ExitCode.PASSED if result.outcome == "ok" else ExitCode.FAILED
    if wanted.as_json:
        say_json(as_json(result, dry_run=wanted.dry_run, exit_code=code))
    elif wanted.dry_run:
        print_plan(result)
    else:
        print_result(result, str(job.store.root))
    if wanted.metrics and not wanted.dry_run:
        from chaoslab.backup.metrics import write_metrics

        write_metrics(wanted.metrics, result)
    return code


def _job(asked: _Asked) -> "Job":
    """Read the command line.

    Raises:
        BadUsage: it makes no sense.
    """
    from chaoslab.backup.remote import RemoteStore
    from chaoslab.backup.retention import Policy
    from chaoslab.backup.run import Job
    from chaoslab.backup.store import Store
    from chaoslab.backup.take import Request
    from chaoslab.s3.bucket import open_bucket
    from chaoslab.s3.place import parse_place
    from chaoslab.s3.upload import Sending

    remote = None
    if asked.s3:
        place = parse_place(asked.s3)
        remote = RemoteStore(open_bucket(place, endpoint=asked.s3_endpoint), place)
    elif not asked.dump:
        raise BadUsage("--no-dump sends and deletes only; say with --s3 where to")
    excluded = tuple(word for one in asked.exclude for word in one.replace(",", " ").split())
    weekly, monthly = _days("--keep-weekly", asked.keep_weekly), _days("--keep-monthly", asked.keep_monthly)
    return Job(
        Store(asked.to),
        Request(_sources(asked), asked.databases, excluded, asked.workers, _wish(asked)) if asked.dump else None,
        remote,
        Sending(asked.storage_class, _part_bytes(asked.part_size)),
        Policy(_days("--keep-local", asked.keep_local), 0, 0),
        Policy(_days("--keep-daily", asked.keep_daily), weekly, monthly),
        asked.prune,
    )


def _wish(asked: _Asked) -> Any:
    from chaoslab.postgres.backup import Wish
    from chaoslab.postgres.pace import Pace
    from chaoslab.runtime.arguments import seconds, size_bytes

    rate = size_bytes("--rate-limit", asked.rate_limit.removesuffix("/s")) if asked.rate_limit else 0
    return Wish(
        "directory" if asked.dump_format == "directory" else "custom",
        asked.jobs,
        compression=asked.compress,
        deadline_s=seconds("--deadline", asked.deadline),
        pace=Pace(rate) if rate else None,
    )


def _sources(asked: _Asked) -> list[str]:
    """Return the connection strings, from where they were given.

    Raises:
        BadUsage: there is none, or a password stands on the command line.
    """
    import os

    from chaoslab.core.masking import passwords_in
    from chaoslab.core.several import connection_strings

    if any(any(passwords_in(dsn)) for dsn in asked.sources):
        raise BadUsage(
            "--source: every user of this machine can read the password on a command line; put it into "
            f"~/.pgpass or PGPASSWORD, or the whole DSN into {SOURCE} or the file of --source-file"
        )
    found = [one for dsn in asked.sources for one in connection_strings(dsn)]
    if asked.source_file:
        try:
            lines = [line.strip() for line in asked.source_file.read_text().splitlines()]
        except (OSError, UnicodeDecodeError) as broken:
            raise BadUsage(f"--source-file {asked.source_file} cannot be read: {broken}") from None
        found += connection_strings([line for line in lines if line and not line.startswith("#")])
    found = found or connection_strings(os.environ.get(SOURCE, ""))
    if not found:
        raise BadUsage(f"name a server: --source postgresql://USER@HOST:PORT/DATABASE, --source-file, or {SOURCE}")
    return found


def _days(name: str, text: str) -> int:
    from chaoslab.runtime.arguments import seconds

    days, rest = divmod(seconds(name, text), _DAY_S)
    if rest:
        raise BadUsage(f"{name}: {text!r} is not a number of whole days; write 30d")
    return int(days)


def _part_bytes(text: str) -> int:
    from chaoslab.runtime.arguments import size_bytes

    least, most = 5 << 20, 5 << 30
    size = size_bytes("--part-size", text)
    if not least <= size <= most:
        raise BadUsage("--part-size: object stores take parts of 5MiB to 5GiB")
    return size


class _Stopping:
    """Hears signals; the work asks it again and again."""

    def __init__(self) -> None:
        self.number = 0

    def hear(self, number: int, frame: FrameType | None) -> None:
        """Remember the first signal."""
        del frame
        self.number = self.number or number

    def check(self) -> None:
        """Return at once, unless there was a signal.

        Raises:
            Aborted: there was.
        """
        if self.number:
            raise Aborted(signal.Signals(self.number).name)


@contextmanager
def _stoppable() -> Iterator[_Stopping]:
    stopping = _Stopping()
    before = {number: signal.signal(number, stopping.hear) for number in _SIGNALS}
    try:
        yield stopping
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
