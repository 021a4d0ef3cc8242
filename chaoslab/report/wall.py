"""Wall times for people. They label; they are never measured with."""

from datetime import UTC, datetime, timedelta


def instant_text(stamp: str) -> str:
    """Write a stamp of the run log for people: `2026-01-31 23:59:59 UTC`; what is no stamp stays as it is."""
    instant = _parsed(stamp)
    return f"{instant:%Y-%m-%d %H:%M:%S} UTC" if instant else stamp or "at an unknown time"


def time_of_day(started_at: str, at_s: float) -> str:
    """Write the UTC time of day of an instant of the run, in seconds of it: `23:59:59.123`; '' when unknown."""
    begun = _parsed(started_at)
    try:
        return f"{begun + timedelta(seconds=at_s):%H:%M:%S.%f}"[:-3] if begun else ""
    except OverflowError:
        return ""


def _parsed(stamp: str) -> datetime | None:
    try:
        return datetime.fromisoformat(stamp).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
