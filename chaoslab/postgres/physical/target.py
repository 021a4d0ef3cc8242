"""To which point a recovery goes. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from chaoslab.core.errors import BadUsage
from chaoslab.postgres.physical.repository import BaseBackup
from chaoslab.postgres.physical.wal import format_lsn, parse_lsn

Kind = Literal["time", "lsn", "name", "latest"]
_FORMS = "write latest, time 2026-01-31T02:00:00Z, lsn 16/B374D848 or name RESTORE_POINT"


@dataclass(frozen=True, slots=True)
class Target:
    """A point in the log."""

    kind: Kind
    value: str = ""
    timeline: str = "latest"

    def __str__(self) -> str:
        """Return it as people write it."""
        return f"{self.kind} {self.value}".strip()

    @property
    def lsn(self) -> int | None:
        """The place in the log, when that is how it is given."""
        return parse_lsn(self.value) if self.kind == "lsn" else None

    @property
    def at(self) -> float | None:
        """The instant in seconds since 1970, when that is how it is given."""
        return datetime.fromisoformat(self.value).timestamp() if self.kind == "time" else None

    def settings(self) -> dict[str, str]:
        """Return the server's settings; recovery ends before what is at the point itself."""
        settings = {"recovery_target_timeline": self.timeline}
        if self.kind != "latest":
            settings[f"recovery_target_{self.kind}"] = self.value
            settings["recovery_target_action"] = "promote"
        if self.kind == "lsn":
            settings["recovery_target_inclusive"] = "off"
        return settings


def parse_target(text: str, *, timeline: str = "latest") -> Target:
    """Return the target that a person wrote.

    Raises:
        BadUsage: it is none; a time without a zone is none, since it would mean the server's.
    """
    kind, _, value = text.strip().partition(" ")
    value = value.strip()
    match kind:
        case "latest" if not value:
            return Target("latest", timeline=timeline)
        case "name" if value:
            return Target("name", value, timeline)
        case "lsn":
            try:
                return Target("lsn", format_lsn(parse_lsn(value)), timeline)
            except ValueError:
                raise BadUsage(f"target: {value!r} is no LSN; {_FORMS}") from None
        case "time":
            return Target("time", _instant(value), timeline)
    raise BadUsage(f"target: {text!r} is none; {_FORMS}")


def at_instant(seconds: float) -> Target:
    """Return the target for an instant in seconds since 1970."""
    return Target("time", datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds"))


def choose_backup(backups: list[BaseBackup], target: Target, label: str = "") -> BaseBackup | None:
    """Return the newest base backup from which the target can be reached; None when each of them ended later.

    A backup is of no use for a point before its own end. Where nothing tells its end, it is taken.

    Args:
        backups: those that can be used, the oldest first
        target: where to
        label: the one that somebody wants, whatever would be best
    """
    usable = [one for one in backups if one.start_lsn]
    if label:
        return next((one for one in usable if one.label == label), None)
    if (lsn := target.lsn) is not None:
        usable = [one for one in usable if one.stop_lsn <= lsn]
    if (at_s := target.at) is not None:
        # An end is told in whole seconds: one within the point's own second may have come after it, the oldest last.
        surely = [one for one in usable if one.ended_at + 1.0 <= at_s]
        usable = surely or [one for one in usable if one.ended_at <= at_s][:1]
    return usable[-1] if usable else None


def _instant(text: str) -> str:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise BadUsage(f"target: {text!r} is no instant; {_FORMS}") from None
    if instant.tzinfo is None:
        raise BadUsage(f"target: {text!r} says no time zone; write {text}Z, or +02:00 behind it")
    return instant.astimezone(UTC).isoformat(timespec="microseconds")
