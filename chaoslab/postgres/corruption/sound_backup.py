"""Choose the base backup to come back from: the newest one that is whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from chaoslab.postgres.difference import Difference
from chaoslab.postgres.physical.repository import BaseBackup, Repository


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A base backup that is not fit to be restored, and why."""

    backup: BaseBackup
    differences: Sequence[Difference]


def newest_sound(
    repository: Repository, *, deadline_s: float, watch: Callable[[], None]
) -> tuple[BaseBackup | None, list[PassedOver]]:
    """Return the newest base backup whose files are what they must be, and those that were passed over for it.

    Args:
        repository: where they are
        deadline_s: seconds that checking one may take
        watch: called again and again; what it raises stops it

    Raises:
        RepositoryFailed: the repository cannot be read.
    """
    passed: list[PassedOver] = []
    for backup in reversed(repository.backups()):
        found = repository.check(backup, deadline_s=deadline_s, watch=watch)
        broken = [one for one in found if one.severity == "failure"]
        if not broken:
            return backup, passed
        passed.append(PassedOver(backup, broken))
    return None, passed
