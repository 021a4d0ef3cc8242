"""What every repository of physical backups can be asked: its base backups, its WAL, and a restore by its own tool."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from chaoslab.core.errors import ChaoslabError
from chaoslab.postgres.difference import Difference
from chaoslab.postgres.programs.commands import ServerUser


class RepositoryFailed(ChaoslabError):
    """A repository cannot be read, or its tool did not restore from it; the findings say why."""

    def __init__(self, message: str, differences: Sequence[Difference] = ()) -> None:
        """Take the line for people, and the findings behind it."""
        super().__init__(message)
        self.differences = tuple(differences)


@dataclass(frozen=True, slots=True)
class BaseBackup:
    """One base backup, as its repository describes it."""

    label: str
    """The name that its tool knows it by."""
    kind: Literal["full", "differential", "incremental"]
    started_at: float
    """Seconds since 1970, as is `ended_at`; 0.0 where nothing tells."""
    ended_at: float
    start_lsn: int
    stop_lsn: int
    """Recovery is consistent from here on, and cannot end earlier."""
    timeline: int
    system_identifier: str
    server_major: int
    bytes: int
    needs: tuple[str, ...] = ()
    """Labels of the backups that it builds on."""


@dataclass(frozen=True, slots=True)
class WalFile:
    """A file in a WAL archive: a segment or a timeline's history."""

    name: str
    bytes: int
    archived_at: float
    """Seconds since 1970."""


class Repository(Protocol):
    """Base backups and archived WAL in one place. Nothing here writes to that place."""

    @property
    def name(self) -> str:
        """What people call it: `pgbackrest stanza main`."""

    @property
    def user(self) -> ServerUser | None:
        """Who runs the server that is restored from it, and so its `restore_command`; None when we do ourselves.

        That is `server_user()`, except for a tool that lets nobody else read: Barman's own user then runs the server.
        """

    def backups(self) -> list[BaseBackup]:
        """Return the base backups, the oldest first.

        Raises:
            RepositoryFailed: it cannot be read.
        """

    def wal(self) -> list[WalFile]:
        """Return the archived files, by name.

        Raises:
            RepositoryFailed: it cannot be read.
        """

    def check(self, backup: BaseBackup, *, deadline_s: float, watch: Callable[[], None]) -> list[Difference]:
        """Say what is wrong with the files of a backup, by its manifest or its tool's own check."""

    def restore(
        self, backup: BaseBackup, data: Path, tablespaces: Path, *, deadline_s: float, watch: Callable[[], None]
    ) -> None:
        """Put the files of a backup into an empty data folder, and its tablespaces below another.

        Nothing starts, nothing is configured; the tool may leave a `postgresql.auto.conf` or a signal file.

        Args:
            backup: one of `backups()`
            data: exists and is empty; it is given to `user`
            tablespaces: exists; each tablespace gets a folder in it, to which `data` links
            deadline_s: seconds that it may take
            watch: called again and again; what it raises stops it

        Raises:
            RepositoryFailed: it could not be restored.
        """

    def restore_command(self) -> str:
        """Return the value of `restore_command` that fetches `%f` to `%p`, run as the server's user."""
