"""Questions before a recovery to a point in time: was the drill asked for something that there is?"""

from __future__ import annotations

from collections.abc import Mapping

from chaoslab.core.errors import BadUsage
from chaoslab.postgres.physical.base_backup import FORMS
from chaoslab.postgres.physical.disasters import DECLARED, KINDS, require_disaster
from chaoslab.postgres.physical.opening import TOOLS
from chaoslab.postgres.physical.rebuilding import PROFILES
from chaoslab.postgres.physical.target import parse_target
from chaoslab.runtime.steps import step

_OF_DISASTER = ("time", "lsn", "name")
_OF_TOOL = {"folder": {"backups", "wal"}, "pgbackrest": {"stanza", "config", "repo"}, "barman": {"server", "config"}}


@step("baseline")
def choices_make_sense(
    disaster: str,
    repository: str,
    where: Mapping[str, str],
    *,
    target: str = "",
    timeline: str = "latest",
    form: str = "plain",
    profile: str = "rta",
    check: str = "yes",
    jobs: int = 2,
) -> bool:
    """Say whether the drill was asked for something that there is, before anything is made.

    Args:
        disaster: which one
        repository: whose repository it is when the disaster is declared
        where: where it is, see `open_repository`; '' is not given
        target: to where
        timeline: `latest` or a number
        form: of a new base backup
        profile: of the recovered server
        check: whether the backup's files are checked, `yes` or `no`
        jobs: connections at the same time

    Raises:
        BadUsage: something makes no sense, or would be passed over in silence.
    """
    require_disaster(disaster)
    _choose("repository", repository, TOOLS)
    _choose("form", form, FORMS)
    _choose("profile", profile, PROFILES)
    _choose("check", check, ("yes", "no"))
    if timeline != "latest" and not (timeline.isdecimal() and int(timeline) > 0):
        raise BadUsage(f"timeline: {timeline!r} is none; write latest or a number such as 2")
    if jobs < 1:
        raise BadUsage(f"jobs: {jobs} makes no sense; at least one connection has to work")
    if target.strip() and not (disaster in KINDS and target.strip() in _OF_DISASTER):
        parse_target(target)
    given = [name for name, value in where.items() if value not in ("", None)]
    if disaster == DECLARED:
        _require_known(repository, given)
    else:
        _require_no_repository(repository, given, timeline)
    return True


def _choose(name: str, word: str, known: Mapping[str, object] | tuple[str, ...]) -> None:
    if word not in known:
        raise BadUsage(f"{name}: there is no {word!r}; choose one of {', '.join(known)}")


def _require_known(repository: str, given: list[str]) -> None:
    for name in given:
        if name not in _OF_TOOL[repository]:
            raise BadUsage(f"{name}: a repository of {repository} has none; say whose it is with repository")


def _require_no_repository(repository: str, given: list[str], timeline: str) -> None:
    """Refuse a repository that would not be looked at: the drill would pass, and say nothing of it."""
    foreign = (
        given + (["repository"] if repository != "folder" else []) + (["timeline"] if timeline != "latest" else [])
    )
    if foreign:
        message = f"{foreign[0]}: it belongs to a repository of yours, which is looked at when nothing happens to a "
        raise BadUsage(f"{message}stand-in: say disaster={DECLARED} too")
