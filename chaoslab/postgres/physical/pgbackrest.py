"""A repository of pgBackRest's, read and restored by pgBackRest itself, which is never asked to change anything.

Only `info`, `repo-ls`, `verify`, `restore` and `archive-get` are ever run. What these write beside the restored data,
locks and a queue of fetched WAL, goes into a folder of ours: the same files of the backups that really run stay alone.
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from chaoslab.core.errors import BadUsage
from chaoslab.postgres.difference import Difference
from chaoslab.postgres.physical.pgbackrest_errors import complaint
from chaoslab.postgres.physical.pgbackrest_info import Stanza, read_archive, read_info, read_verify
from chaoslab.postgres.physical.programs import Answer, asked, found_program, write_script
from chaoslab.postgres.physical.repository import BaseBackup, RepositoryFailed, WalFile
from chaoslab.postgres.programs.commands import ServerUser, server_user
from chaoslab.postgres.programs.tools import TookTooLong
from chaoslab.postgres.servers.folders import give, make_passable

PROGRAM = "pgbackrest"
REMEDY = "apt-get install pgbackrest"
_OK, _NO_BACKUP = 0, 2
_OURS = "PGBACKREST_"
_NOT_TAKEN = ("PGBACKREST_PG", "PGBACKREST_STANZA", "PGBACKREST_LOG", "PGBACKREST_LOCK", "PGBACKREST_SPOOL")
"""Of the caller's variables those count that say where the repository is and what opens it."""


# archive-get compares the archive with the server that asks, whose folder is the one that it runs in. Who only looks at
# a file has no server: it is taken as it is kept, and unpacked here.
_FETCH = """\
if [ -e global/pg_control ]; then exec {get} --reset-pg1-host --pg1-path="$PWD" "$1" "$2"; fi
place={archive}
name=$1
case "$1" in
*.history) ;;
*) place=$place/${{1%????????}}; name=$({listing} --filter="^$1-" "$place" | head -n 1) ;;
esac
[ -n "$name" ] || exit 1
case "$name" in
*.gz) unpack="gzip -dc" ;;
*.bz2) unpack="bzip2 -dc" ;;
*.lz4) unpack="lz4 -dcq" ;;
*.zst) unpack="zstd -dcq" ;;
*) unpack=cat ;;
esac
{copy} "$place/$name" | $unpack > "$2"
[ -s "$2" ]
"""


@dataclass(frozen=True, slots=True)
class PgBackRest:
    """One stanza in one of its repositories."""

    stanza: str
    config: str = ""
    """The configuration file; '' for pgBackRest's own places."""
    repo: int = 1
    """Which of the repositories in that configuration."""
    work: Path | None = None
    """A folder of the run's for what pgBackRest writes beside the data; only looking needs none."""
    jobs: int = 2
    user: ServerUser | None = field(default_factory=server_user)
    """Who runs pgBackRest: the user of the restored server, for this fetches WAL by it too."""

    @property
    def name(self) -> str:
        """What people call it."""
        return f"pgbackrest stanza {self.stanza}"

    def backups(self) -> list[BaseBackup]:
        """Return the backups of the server as it is now, the oldest first.

        Raises:
            Missing: pgBackRest is not installed.
            RepositoryFailed: the repository cannot be read.
        """
        return list(self._stanza().backups)

    def wal(self) -> list[WalFile]:
        """Return the archived files of the server as it is now, by name.

        Raises:
            Missing: pgBackRest is not installed.
            RepositoryFailed: the repository cannot be read.
        """
        folder = f"archive/{self.stanza}/{self._stanza().archive_id}"
        answer = self._run("repo-ls", "--recurse", "--output=json", folder)
        return read_archive(self._good(answer, "repository-unreadable"))

    def check(
        self, backup: BaseBackup, *, deadline_s: float, watch: Callable[[], None] = lambda: None
    ) -> list[Difference]:
        """Say what `pgbackrest verify` finds wrong with a backup, with those it builds on, and with the archive.

        It reads all of the repository, and only reads.

        Raises:
            Missing: pgBackRest is not installed.
            RepositoryFailed: the repository cannot be read.
            TookTooLong: the deadline passed.
        """
        stanza = self._stanza()
        found = self._orphaned(backup)
        if backup.label in stanza.with_bad_pages:
            message = f"pages failed their checksums while {backup.label} was made"
            found.append(Difference("backup-with-bad-pages", backup.label, message))
        if found:
            return found
        command = ["verify", "--output=text", "--verbose", f"--process-max={self.jobs}"]
        answer = self._run(*command, deadline_s=deadline_s, watch=watch)
        return read_verify(self._good(answer, "backup-corrupt"), backup)

    def restore(
        self,
        backup: BaseBackup,
        data: Path,
        tablespaces: Path,
        *,
        deadline_s: float,
        watch: Callable[[], None] = lambda: None,
    ) -> None:
        """Have `pgbackrest restore` put a backup into an empty data folder.

        What the configuration says about the original's places is overruled one by one: its data folder and host,
        its links, the places of its tablespaces; archiving is off in what comes of it.

        Raises:
            Missing: pgBackRest is not installed.
            RepositoryFailed: it could not be restored; the findings say why.
            TookTooLong: the deadline passed.
        """
        orphaned = self._orphaned(backup)
        if orphaned:
            raise RepositoryFailed(orphaned[0].message, orphaned)
        for folder in (data, tablespaces):
            give(folder, self.user)
        command = ["restore", f"--set={backup.label}", f"--pg1-path={data}", "--reset-pg1-host", "--no-delta"]
        command += ["--type=default", "--archive-mode=off", "--reset-recovery-option"]
        command += [
            "--no-link-all",
            "--reset-link-map",
            "--reset-tablespace-map",
            f"--tablespace-map-all={tablespaces}",
        ]
        command += ["--reset-db-include", "--reset-db-exclude", f"--process-max={self.jobs}"]
        answer = self._run(*command, deadline_s=deadline_s, watch=watch)
        if answer.status != 0:
            found = complaint(answer.messages, backup.label, otherwise="restore-error")
            raise RepositoryFailed(found.message, [found])

    def restore_command(self) -> str:
        """Return the `restore_command` that has `pgbackrest archive-get` fetch a file.

        The server gets no variables of ours, so a small script, readable by its user alone, says them.

        Raises:
            BadUsage: the repository was opened without a folder for such things.
        """
        if self.work is None:
            raise BadUsage(f"{self.name} was opened for looking only: fetching WAL needs a folder to work in")
        exports = [f"export {name}={shlex.quote(value)}" for name, value in self._environment().items()]
        verbs = ("archive-get", "repo-ls", "repo-get")
        get, listing, copy = (shlex.join(self._command(verb)) for verb in verbs)
        archive = shlex.quote(f"archive/{self.stanza}/{self._stanza().archive_id}")
        text = _FETCH.format(get=get, listing=listing, copy=copy, archive=archive)
        script = write_script(self._work_folder(self.work) / "archive-get", [*exports, text], self.user)
        return f"{script} %f %p"

    def _stanza(self) -> Stanza:
        answer = self._run("info", "--output=json")
        stanza = read_info(self._good(answer, "repository-unreadable"), self.stanza)
        if stanza.code not in {_OK, _NO_BACKUP}:
            found = complaint(stanza.message, self.name, otherwise="repository-unreadable")
            raise RepositoryFailed(found.message, [found])
        return stanza

    def _orphaned(self, backup: BaseBackup) -> list[Difference]:
        """Find out whether all that a backup builds on is still there: `info` believes its own list."""
        answer = self._run("repo-ls", "--output=json", f"backup/{self.stanza}")
        there = set(json.loads(self._good(answer, "repository-unreadable") or "{}"))
        gone = [label for label in (*backup.needs, backup.label) if label not in there]
        if not gone:
            return []
        message = f"{backup.label} cannot be restored: {', '.join(gone)} is gone from the repository"
        return [Difference("backup-orphaned", backup.label, message, expected=[*backup.needs], actual=sorted(there))]

    def _good(self, answer: Answer, otherwise: str) -> str:
        """Return what a question was answered, or raise what stood against it."""
        if answer.status != 0:
            found = complaint(answer.messages, self.name, otherwise=otherwise)
            raise RepositoryFailed(found.message, [found])
        return answer.output

    def _command(self, verb: str) -> list[str]:
        config = [f"--config={self.config}"] if self.config else []
        return [found_program(PROGRAM, REMEDY), *config, f"--stanza={self.stanza}", f"--repo={self.repo}", verb]

    def _run(
        self,
        verb: str,
        *arguments: str,
        deadline_s: float = 300.0,
        watch: Callable[[], None] = lambda: None,
    ) -> Answer:
        if self.config and not Path(self.config).exists():
            message = f"{self.name}: there is no configuration {self.config}"
            raise RepositoryFailed(message, [Difference("repository-config-missing", self.name, message)])
        command = [*self._command(verb), *arguments]
        try:
            return asked(command, environment=self._environment(), user=self.user, deadline_s=deadline_s, watch=watch)
        except TookTooLong as slow:
            found = Difference(
                "restore-too-slow" if verb == "restore" else "repository-unreachable", self.name, str(slow)
            )
            raise RepositoryFailed(f"{self.name}: {slow}", [found]) from slow

    def _environment(self) -> Mapping[str, str]:
        """Return the variables for pgBackRest: they outrank its configuration, and show in no list of processes."""
        given = {
            name: value
            for name, value in os.environ.items()
            if name.startswith(_OURS) and not name.startswith(_NOT_TAKEN)
        }
        place = self._work_folder(self.work) if self.work else Path("/nonexistent")
        return {
            **given,
            "PGBACKREST_LOG_LEVEL_FILE": "off",
            "PGBACKREST_LOG_LEVEL_CONSOLE": "off",
            "PGBACKREST_LOG_LEVEL_STDERR": "warn",
            "PGBACKREST_LOG_TIMESTAMP": "n",
            "PGBACKREST_LOG_PATH": str(place / "log"),
            "PGBACKREST_LOCK_PATH": str(place / "lock"),
            "PGBACKREST_SPOOL_PATH": str(place / "spool"),
        }

    def _work_folder(self, work: Path) -> Path:
        if not work.exists():
            make_passable(work)
            work.chmod(0o700)
            give(work, self.user)
        return work


def open_pgbackrest(
    *, stanza: str = "", config: str = "", repo: int | str = 1, work: Path | None = None, jobs: int = 2
) -> PgBackRest:
    """Return a stanza of pgBackRest's as a repository; it is read when it is asked.

    Args:
        stanza: its name
        config: the configuration file; '' for pgBackRest's own places, /etc/pgbackrest.conf among them
        repo: the number of the repository in it
        work: a folder of the run's, which need not exist yet; needed for fetching WAL
        jobs: processes that pgBackRest may use

    Raises:
        BadUsage: no stanza is named, or the repository's number is none.
    """
    if not stanza:
        raise BadUsage("which stanza of pgBackRest's? name it: `pgbackrest info` lists them")
    try:
        number = int(repo or 1)
    except ValueError:
        raise BadUsage(f"the number of a pgBackRest repository is 1, 2, ..., not {repo!r}") from None
    return PgBackRest(stanza, config=config, repo=number, work=work, jobs=jobs)
