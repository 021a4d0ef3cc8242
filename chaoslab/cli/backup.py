"""`chaoslab backup`: dump a fleet, prove that it was stored, and delete what is superfluous, by date."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from chaoslab.cli.backup_options import Asked, backup_options, job_of
from chaoslab.cli.backup_telling import Teller, as_json, print_plan, print_result
from chaoslab.cli.terminal import say_json, tell
from chaoslab.core.errors import Aborted, ExitCode

if TYPE_CHECKING:
    from chaoslab.backup.run import Job, Result

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_SIGNALLED = 128

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
@backup_options
def command(**asked: Any) -> int:
    """Dump databases, prove that they are stored, keep them by date.

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
    Exits 0 all done, 2 bad usage, 10 something failed and what is good is kept, 12 refused (another
    run is at work, or something is missing), 130 or 143 stopped.
    """
    wanted = Asked(**asked)
    job = job_of(wanted)
    result: Result | int
    if wanted.dry_run:
        from chaoslab.backup.run import plan_backup

        result = plan_backup(job)
    elif isinstance(result := _run(job), int):
        return result
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


def _run(job: "Job") -> "Result | int":
    """Do it; return what came of it, or the exit code when a signal stopped it."""
    from chaoslab.backup.run import Told, run_backup

    teller = Teller()
    with _stoppable() as stopping, teller.ticking():
        try:
            told = Told(stopping.check, teller.chosen, teller.begun, teller.ended, teller.sending, teller.sent)
            return run_backup(job, told)
        except Aborted as stopped:
            tell(f"chaoslab: stopped by {stopped.reason}; nothing half made is left under a final name")
            return _SIGNALLED + stopping.number


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
