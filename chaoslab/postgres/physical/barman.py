"""A server in Barman, read and restored by Barman itself under a configuration of ours, so that nothing of its changes.

Only `list-backup`, `show-backup`, `verify-backup`, `recover` and `get-wal` are ever run.
"""

from __future__ import annotations

import json
import shlex
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from chaoslab.core.errors import BadUsage
from chaoslab.postgres.difference import Difference
from chaoslab.postgres.physical.barman_config import LINKS, BarmanConfig, read_config
from chaoslab.postgres.physical.barman_files import archived_files, own_user
from chaoslab.postgres.physical.barman_reading import complaint, read_backup, read_labels, read_system
from chaoslab.postgres.physical.programs import ASK_DEADLINE_S, Answer, asked, found_program, write_script
from chaoslab.postgres.physical.repository import BaseBackup, RepositoryFailed, WalFile
from chaoslab.postgres.programs.commands import ServerUser
from chaoslab.postgres.programs.tools import TookTooLong
from chaoslab.postgres.servers.folders import give, make_passable, write_private

PROGRAM = "barman"
REMEDY = "apt-get install barman"


@dataclass(frozen=True, slots=True)
class Barman:
    """One server in Barman."""

    server: str
    config: str = ""
    """Barman's configuration file; '' for Barman's own places."""
    work: Path | None = None
    """A folder of the run's for what Barman writes beside the data; only looking makes one for itself."""
    jobs: int = 2

    @property
    def name(self) -> str:
        """What people call it."""
        return f"barman server {self.server}"

    @property
    def user(self) -> ServerUser | None:
        """Who runs the restored server: Barman's user, for nobody else can fetch its WAL.

        Raises:
            RepositoryFailed: we are neither that user nor root.
        """
        return own_user(self._configured().user, self.name)

    def backups(self) -> list[BaseBackup]:
        """Return the backups that are complete, the oldest first.

        Raises:
            Missing: Barman is not installed.
            RepositoryFailed: Barman cannot be asked; the findings say why.
        """
        config = self._configured()
        with self._ours(config.looking) as ask:
            labels = read_labels(self._good(ask("list-backup", self.server)), self.server)
            system = read_system(config.backup_directory / "identity.json")
            told = [self._good(ask("show-backup", self.server, label)) for label in labels]
        found = [read_backup(text, self.server, system) for text in told]
        return sorted(found, key=lambda one: one.ended_at)

    def wal(self) -> list[WalFile]:
        """Return the archived files and those that still wait to be archived, by name.

        Raises:
            RepositoryFailed: the folders cannot be read.
        """
        config = self._configured()
        own_user(config.user, self.name)
        return archived_files(config, self.name)

    def check(
        self, backup: BaseBackup, *, deadline_s: float, watch: Callable[[], None] = lambda: None
    ) -> list[Difference]:
        """Say what is wrong with the files of a backup, by `barman verify-backup` where it has a manifest.

        Raises:
            Missing: Barman is not installed.
            RepositoryFailed: Barman cannot be asked, or did not end in time.
        """
        config = self._configured()
        gone = _gone(config, backup)
        if gone:
            return gone
        data = config.base_directory / backup.label / "data"
        if not (data / "backup_manifest").exists():
            message = f"{backup.label} has no manifest to check it by: it was taken by rsync or is compressed"
            return [Difference("backup-not-checked", backup.label, message)]
        with self._ours(config.looking, deadline_s=deadline_s, watch=watch) as ask:
            answer = ask("verify-backup", self.server, backup.label)
        return [] if answer.status == 0 else [complaint(answer, backup.label, otherwise="backup-corrupt")]

    def restore(
        self,
        backup: BaseBackup,
        data: Path,
        tablespaces: Path,
        *,
        deadline_s: float,
        watch: Callable[[], None] = lambda: None,
    ) -> None:
        """Have `barman recover` put a backup into an empty data folder, and its tablespaces below another.

        Raises:
            Missing: Barman is not installed.
            RepositoryFailed: it could not be restored; the findings say why.
        """
        config, user = self._configured(), self.user
        gone = _gone(config, backup)
        if gone:
            raise RepositoryFailed(gone[0].message, gone)
        for folder in (data, tablespaces):
            give(folder, user)
        with self._ours(config.looking) as ask:
            told = json.loads(self._good(ask("show-backup", self.server, backup.label)))[self.server]
        moved: list[str] = []
        for one in told.get("tablespaces") or ():
            place = tablespaces / one["name"]
            place.mkdir(mode=0o700)
            give(place, user)
            moved += ["--tablespace", f"{one['name']}:{place}"]
        with self._ours(config.restoring, deadline_s=deadline_s, watch=watch) as ask:
            where = (self.server, backup.label, str(data))
            answer = ask("recover", "--get-wal", "--no-retry", f"--jobs={self.jobs}", *moved, *where)
        if answer.status != 0:
            found = complaint(answer, backup.label, otherwise="restore-error")
            raise RepositoryFailed(found.message, [found])

    def restore_command(self) -> str:
        """Return the `restore_command` that has `barman get-wal` fetch a file, also one that is not full yet.

        Raises:
            BadUsage: the repository was opened without a folder for such things.
            RepositoryFailed: the configuration cannot be read.
        """
        if self.work is None:
            raise BadUsage(f"{self.name} was opened for looking only: fetching WAL needs a folder to work in")
        config, user = self._configured(), self.user
        file = self._write(config.fetching(self.work), self.work, "fetching.conf", user)
        links = self.work / LINKS
        words = shlex.join([found_program(PROGRAM, REMEDY), "-c", str(file), "get-wal", "-P", self.server])
        # The archive grows meanwhile: its folders are linked anew each time.
        link = f"ln -sfn {shlex.quote(str(config.wals_directory))}/* {shlex.quote(str(links))}/"
        script = write_script(self.work / "get-wal", [link, f'exec {words} "$1" > "$2"'], user)
        return f'{script} "%f" "%p"'

    def _configured(self) -> BarmanConfig:
        return read_config(self.config, self.server)

    @contextmanager
    def _ours(
        self,
        text: Callable[[Path], str],
        *,
        deadline_s: float = ASK_DEADLINE_S,
        watch: Callable[[], None] = lambda: None,
    ) -> Iterator[Callable[..., Answer]]:
        """Give a way to run Barman under a configuration of ours."""
        user, program = self.user, found_program(PROGRAM, REMEDY)
        with self._place(user) as place:
            file = self._write(text(place), place, "barman.conf", user)

            def ask(*words: str) -> Answer:
                command = [program, "-c", str(file), "--format", "json", *words]
                try:
                    return asked(command, user=user, deadline_s=deadline_s, watch=watch)
                except TookTooLong as slow:
                    code = "restore-too-slow" if words[0] == "recover" else "repository-unreachable"
                    found = Difference(code, self.name, f"{self.name}: {slow}")
                    raise RepositoryFailed(found.message, [found]) from slow

            yield ask

    @contextmanager
    def _place(self, user: ServerUser | None) -> Iterator[Path]:
        if self.work is not None:
            yield self.work
            return
        place = Path(tempfile.mkdtemp(prefix="chaoslab-barman-"))
        try:
            give(place, user)
            yield place
        finally:
            shutil.rmtree(place, ignore_errors=True)

    def _write(self, text: str, place: Path, name: str, user: ServerUser | None) -> Path:
        """Write a configuration that only Barman's user may read, and make the folders that it names."""
        if not place.exists():
            make_passable(place)
            place.chmod(0o700)
            give(place, user)
        for folder in ("incoming", "streaming", "staging", LINKS):
            (place / folder).mkdir(mode=0o700, exist_ok=True)
            give(place / folder, user)
        write_private(place / name, text, user)
        return place / name

    def _good(self, answer: Answer) -> str:
        """Return what a question was answered, or raise what stood against it."""
        if answer.status != 0:
            found = complaint(answer, self.name, otherwise="repository-unreadable")
            raise RepositoryFailed(found.message, [found])
        return answer.output


def _gone(config: BarmanConfig, backup: BaseBackup) -> list[Difference]:
    """Find out whether the files of a backup are there: Barman believes its own list."""
    data = config.base_directory / backup.label / "data"
    if data.exists():
        return []
    message = f"{backup.label} cannot be restored: {data} is gone"
    return [Difference("backup-orphaned", backup.label, message)]


def open_barman(*, server: str = "", config: str = "", work: Path | None = None, jobs: int = 2) -> Barman:
    """Return a server in Barman as a repository; it is read when it is asked.

    Args:
        server: its name
        config: Barman's configuration file; '' for Barman's own places, /etc/barman.conf among them
        work: a folder of the run's, which need not exist yet; needed for fetching WAL
        jobs: processes that Barman may use

    Raises:
        BadUsage: no server is named.
    """
    if not server:
        raise BadUsage("which server of Barman's? name it: `barman list-server` lists them")
    return Barman(server, config=config, work=work, jobs=jobs)
