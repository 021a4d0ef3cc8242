"""Read the name of a dump: which database, and when. Pure.

Scripts write dates in many ways. The usual ones are found anywhere in a name; for others a pattern says where to
look: `{database}_%d-%m-%Y.sql.gz`.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from typing import NamedTuple

_CODES = {
    "%Y": r"(?P<Y>\d{4})",
    "%m": r"(?P<m>\d{2})",
    "%d": r"(?P<d>\d{2})",
    "%H": r"(?P<H>\d{2})",
    "%M": r"(?P<M>\d{2})",
    "%S": r"(?P<S>\d{2})",
    "%s": r"(?P<epoch>\d{9,11})",
    "{database}": r"(?P<database>[^/]+?)",
    "*": r"[^/]*?",
}
_TOKEN = re.compile(r"%[YmdHMSs]|\{database\}|\*")
_DATE = re.compile(
    r"(?<!\d)(?P<Y>(?:19|20)\d{2})(?P<s>[-_.]?)(?P<m>0[1-9]|1[0-2])(?P=s)(?P<d>0[1-9]|[12]\d|3[01])"
    r"(?:[T_ .-]?(?P<H>[01]\d|2[0-3])[-_:.h]?(?P<M>[0-5]\d)(?:[-_:.m]?(?P<S>[0-5]\d))?(?P<ms>\d{3})?(?P<z>Z)?)?(?!\d)"
)
_DAILY = ("daily", "nightly", "weekly", "monthly", "backup", "dump", "db", "pgdump", "pg", "full")
_ENDING = re.compile(
    r"(?:\.(?:sql|dump|dir|backup|bak|pgdump|custom|tar|gz|tgz|zst|lz4|bz2|xz|gpg|age|enc|aes|out|pg))+$", re.IGNORECASE
)
_DUMPS = re.compile(r"\.(?:sql|dump|dir|backup|bak|pgdump|custom|tar|tgz|pg)(?:\.|$)", re.IGNORECASE)
_ASIDE = re.compile(r"globals|roles|\.manifest\.json$|\.(?:md5|sha1|sha256|sha512|log|txt|json|partial|tmp|err)$", re.I)
_DAY_S, _HOUR_S, _MINUTE_S = 86400.0, 3600.0, 60.0


class Named(NamedTuple):
    """What a name says."""

    database: str
    low_s: float | None
    """The first instant that it can mean; None without a date."""
    high_s: float | None


class BadPattern(ValueError):
    """A pattern that cannot tell one database or one day from another."""


def compiled(pattern: str) -> re.Pattern[str]:
    """Return the regular expression of a pattern such as `{database}/%Y-%m-%d.dump`.

    Raises:
        BadPattern: it names no database, or a part of a date twice.
    """
    if "{database}" not in pattern:
        raise BadPattern(
            f"the pattern {pattern!r} does not say where the database stands; write {{database}}_%Y%m%d.dump"
        )
    parts, end = [], 0
    for token in _TOKEN.finditer(pattern):
        parts += [re.escape(pattern[end : token.start()]), _CODES[token[0]]]
        end = token.end()
    try:
        return re.compile("".join([*parts, re.escape(pattern[end:])]))
    except re.error:
        raise BadPattern(f"the pattern {pattern!r} says the same thing twice; name each part once") from None


def read_name(name: str, zone: tzinfo, pattern: re.Pattern[str] | None = None) -> Named | None:
    """Return what the name of a dump says, or None for a file that is no dump of a database.

    Args:
        name: path below its place
        zone: the time zone of the dates in it, unless it says `Z`
        pattern: how names are built; the usual ways if not given
    """
    if pattern is not None:
        match = pattern.fullmatch(name) or pattern.fullmatch(name.rpartition("/")[2])
        return Named(match["database"], *_span(match, zone)) if match else None
    last = name.rpartition("/")[2]
    if _ASIDE.search(last) or not _DUMPS.search(last):
        return None
    return _guess(name, zone)


def _guess(name: str, zone: tzinfo) -> Named:
    *folders, last = name.split("/")
    stem = _ENDING.sub("", last)
    dated = list(_DATE.finditer(stem))
    match = dated[-1] if dated else next((m for one in reversed(folders) for m in _DATE.finditer(one)), None)
    pieces = (stem[: dated[-1].start()], stem[dated[-1].end() :]) if dated else (stem,)
    database = "_".join(filter(None, map(_word, pieces))) or next(
        (word for one in reversed(folders) if (word := _word(_DATE.sub("", one)))), ""
    )
    return Named(database or stem, *(_span(match, zone) if match else (None, None)))


def _word(text: str) -> str:
    """Return what is left of a name once its date is taken out, unless that says nothing."""
    word = text.strip("-_. ")
    return "" if word.lower() in _DAILY else word


def _span(match: re.Match[str], zone: tzinfo) -> tuple[float | None, float | None]:
    """Return the first and the last instant that a date can mean: a day alone means any moment of it."""
    parts = match.groupdict()
    if parts.get("epoch"):
        return float(parts["epoch"]), float(parts["epoch"])
    if not (parts.get("Y") and parts.get("m") and parts.get("d")):
        return None, None
    numbers = [int(parts.get(key) or 0) for key in ("Y", "m", "d", "H", "M", "S")]
    try:
        begin = datetime(*numbers, tzinfo=UTC if parts.get("z") else zone)  # type: ignore[arg-type, misc]
    except ValueError:
        return None, None
    fine = next((width for key, width in (("S", 0.0), ("M", _MINUTE_S), ("H", _HOUR_S)) if parts.get(key)), _DAY_S)
    begin += timedelta(milliseconds=int(parts.get("ms") or 0))
    return begin.timestamp(), begin.timestamp() + fine
