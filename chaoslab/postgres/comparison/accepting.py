"""Differences that somebody has accepted, each with the reason: they are told, and no longer count.

table-missing@staging.*: staging is filled anew every night; comment-missing: dumped with --no-comments
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from chaoslab.core.errors import BadUsage
from chaoslab.core.suggest import hint_for
from chaoslab.postgres.codes import CONTENT, STRUCTURE
from chaoslab.postgres.difference import Difference

ACCEPTABLE = {*STRUCTURE, *CONTENT, "restore-error"}
"""A damaged dump, a dead server and a recovery point that is too old cannot be talked away."""
_FORM = re.compile(r"(?P<code>[^@:]*)(?:@(?P<where>.*?))?(?::(?P<reason>.*))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Accepted:
    """One kind of difference that does not count."""

    code: str
    where: str
    """A pattern as of file names; `*` for everywhere."""
    reason: str

    def covers(self, difference: Difference) -> bool:
        """Say whether a difference is meant."""
        return difference.code == self.code and fnmatchcase(difference.where, self.where)


def parse_accepted(text: str) -> list[Accepted]:
    """Read what is accepted: `code: reason` or `code@where: reason`, separated by `;`.

    Raises:
        BadUsage: a code is unknown or cannot be accepted, or has no reason.
    """
    pieces = (piece.strip() for piece in text.replace("\n", ";").split(";"))
    return [_parse_one(piece) for piece in pieces if piece]


def with_accepted(differences: Iterable[Difference], accepted: Sequence[Accepted]) -> list[Difference]:
    """Turn accepted differences into notes that say why they do not count."""
    return [_judged(one, accepted) for one in differences]


def _parse_one(piece: str) -> Accepted:
    match = _FORM.fullmatch(piece)
    assert match is not None  # every part of the form may be empty
    code, where, reason = ((match[name] or "").strip() for name in ("code", "where", "reason"))
    if code not in ACCEPTABLE:
        hint = hint_for(code, sorted(ACCEPTABLE))
        raise BadUsage(f"accept: '{code}' is no finding that can be accepted; {hint}".rstrip("; "))
    if not reason:
        raise BadUsage(f"accept: '{code}' needs a reason; write `{code}: why it is so`")
    return Accepted(code, where or "*", reason)


def _judged(difference: Difference, accepted: Sequence[Accepted]) -> Difference:
    meant = next((one for one in accepted if one.covers(difference)), None)
    if meant is None or difference.severity == "note":
        return difference
    message = f"{difference.message} (accepted: {meant.reason})"
    return replace(difference, message=message, severity="note")
