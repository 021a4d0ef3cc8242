"""The options of `chaoslab backup`, and the job that they ask for."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from chaoslab.core.errors import BadUsage

if TYPE_CHECKING:
    from chaoslab.backup.run import Job
    from chaoslab.postgres.logical.backup import Wish

SOURCE = "CHAOSLAB_BACKUP_SOURCE"
_DAY_S = 86400
_LIST_MAX_BYTES = 1 << 20
type Command = Callable[..., Any]


class Asked(NamedTuple):
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


def _not_empty(context: click.Context, parameter: click.Parameter, value: str) -> str:
    """Refuse an option that is there and empty: its variable is not set, and nobody means what would happen."""
    del context
    if not value:
        raise BadUsage(f"{parameter.opts[0]}: it is empty; leave the option away, or say what it should be")
    return value


def _folder(context: click.Context, parameter: click.Parameter, value: str) -> Path:
    return Path(_not_empty(context, parameter, value))


def _given(context: click.Context, parameter: click.Parameter, value: str | None) -> str:
    return "" if value is None else _not_empty(context, parameter, value)


_OPTIONS: list[Callable[[Command], Command]] = [
    click.option("--source", "sources", metavar="DSN", multiple=True, help="A server; repeat it for several."),
    click.option("--source-file", metavar="FILE", type=click.Path(path_type=Path), help="Servers, one DSN a line."),
    click.option(
        "--databases", default="all", show_default=True, metavar="LIST", help="Names and patterns, by commas; or all."
    ),
    click.option("--exclude", metavar="PATTERN", multiple=True, help="Databases to leave out."),
    click.option(
        "--to",
        default="backups",
        show_default=True,
        metavar="DIR",
        type=click.Path(),
        callback=_folder,
        help="Where the sets lie.",
    ),
    click.option(
        "--workers", type=click.IntRange(0), default=0, metavar="N", help="Databases at once [default: cores]."
    ),
    click.option("--jobs", type=click.IntRange(1), default=2, show_default=True, help="Connections a database."),
    click.option(
        "--format",
        "dump_format",
        type=click.Choice(["custom", "directory"]),
        default="custom",
        show_default=True,
        help="Of pg_dump.",
    ),
    click.option(
        "--compress", type=click.IntRange(0, 9), default=1, show_default=True, help="gzip level of the dumps."
    ),
    click.option("--rate-limit", default="", metavar="SIZE", help="Bytes a second that all dumps together may write."),
    click.option("--deadline", default="4h", show_default=True, help="How long one database may take."),
    click.option("--s3", callback=_given, metavar="s3://BUCKET/PREFIX", help="Send every set there too."),
    click.option(
        "--s3-endpoint", default="", metavar="URL", help="A store other than Amazon's [env: AWS_ENDPOINT_URL_S3]."
    ),
    click.option("--storage-class", default="STANDARD_IA", show_default=True, help="Of the dumps in S3."),
    click.option(
        "--part-size", default="16MiB", show_default=True, help="Larger files are sent in parts of this size."
    ),
    click.option("--keep-local", default="7d", show_default=True, help="How long sets stay in DIR."),
    click.option("--keep-daily", default="30d", show_default=True, help="How long every set stays in S3."),
    click.option("--keep-weekly", default="90d", show_default=True, help="How long a week's first good set does."),
    click.option("--keep-monthly", default="365d", show_default=True, help="The first since a month's first Sunday."),
    click.option("--prune/--no-prune", default=True, help="Delete what no rule keeps [default], or nothing."),
    click.option("--dump/--no-dump", default=True, help="Dump [default], or only send and delete."),
    click.option("--metrics", metavar="FILE", type=click.Path(path_type=Path), help="Write metrics for Prometheus."),
    click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing."),
    click.option("--json", "as_json", is_flag=True, help="Print what came of it as one JSON object."),
]


def backup_options(command: Command) -> Command:
    """Add the options."""
    for decorate in reversed(_OPTIONS):
        command = decorate(command)
    return command


def job_of(asked: Asked) -> "Job":
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


def _wish(asked: Asked) -> "Wish":
    from chaoslab.postgres.logical.backup import Wish
    from chaoslab.postgres.logical.pace import Pace
    from chaoslab.runtime.arguments import seconds, size_bytes

    rate = size_bytes("--rate-limit", asked.rate_limit.removesuffix("/s")) if asked.rate_limit else 0
    return Wish(
        "directory" if asked.dump_format == "directory" else "custom",
        asked.jobs,
        compression=asked.compress,
        deadline_s=seconds("--deadline", asked.deadline),
        pace=Pace(rate) if rate else None,
    )


def _sources(asked: Asked) -> list[str]:
    """Return the connection strings, from where they were given.

    Raises:
        BadUsage: there is none, or a password stands on the command line.
    """
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
            with asked.source_file.open() as stream:
                text = stream.read(_LIST_MAX_BYTES)
            lines = [line.strip() for line in text.splitlines()]
            if len(text) == _LIST_MAX_BYTES:
                raise BadUsage(f"--source-file {asked.source_file} is no list of servers: it is far too long")
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
