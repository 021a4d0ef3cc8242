"""Compare two sets of facts. Pure: no database, no clock.

Messages name things, counts and digests; never the value of a row.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from chaoslab.postgres.codes import CODES, NOUNS, Severity
from chaoslab.postgres.comparison.content import compare_content
from chaoslab.postgres.comparison.definitions import excerpt, normalised
from chaoslab.postgres.difference import Difference

__all__ = ["Difference", "compare", "condensed"]

_DEFINING = {"definition", "default", "using", "check"}
"""Fields that a server writes out of what it stored; another major version may word them differently."""
_DATABASE_FIELDS = ("encoding", "collate", "ctype", "provider", "locale")
_DATABASE_FIELDS_SINCE_2 = ("connection_limit", "is_template")
_SINCE_2 = {
    "tables": {"of_type", "tablespace", "toast_options"},
    "columns": {"position", "foreign_options"},
    "indexes": {"part_of", "tablespace", "statistics_targets"},
    "views": {"tablespace", "access_method", "column_options"},
    "functions": {"signature", "parallel"},
    "types": {"rules", "functions"},
    "objects": {"definition", "options"},
    "publications": {"generated_columns"},
}
"""Fields that facts of the first format do not have, or not as they are now."""
_NEEDS_A_SUPERUSER = {"objects": {"options"}}
"""Fields that not everybody may see: a side that could not see them has none, and nothing is wrong."""
_WHERE_IT_LIES = {"tablespace"}
_IGNORED = {"roles": {"used"}}
_NEW_IN_16 = {"memberships": {"inherit", "set"}}
"""Fields that older versions do not have, and that a restore into a newer one fills in."""
_NOT_DUMPED = {"constraints": {"unenforced"}}
"""Fields that count only where the restored side has them: pg_dump leaves them out, and without them all is well."""
_WHY_MISSING = {"subscriptions": ": a copy must not take changes from the original's publisher"}
_SHOWN = 200
"""Characters of a value that a finding shows."""


def compare(expected: Mapping[str, Any], actual: Mapping[str, Any]) -> list[Difference]:
    """Return how the actual facts differ from the expected ones, the gravest kind first.

    What neither side has (structure-only facts know no rows) is not compared.
    """
    found = list(compare_content(expected, actual))
    found += _database(expected, actual)
    same_major = expected["server"]["major"] == actual["server"]["major"]
    structure: list[Difference] = []
    older = min(expected.get("format", 1), actual.get("format", 1)) < 2
    for kind in NOUNS:
        if kind not in expected["structure"] or kind not in actual["structure"]:
            continue  # taken by an older chaoslab, or of a server that has no such thing
        ignored = _IGNORED.get(kind, set()) | (_SINCE_2.get(kind, set()) if older else set())
        one, other = expected["structure"][kind], actual["structure"][kind]
        structure += _kind(kind, one, other, same_major=same_major, ignored=ignored)
    return found + _without_consequences(structure, expected["structure"])


def condensed(differences: Iterable[Difference], *, limit: int = 12) -> list[Difference]:
    """Keep at most `limit` differences of a code and say in the last how many more there are."""
    kept: list[Difference] = []
    rest: dict[tuple[str, Severity], list[Difference]] = {}
    seen: dict[tuple[str, Severity], int] = {}
    for difference in differences:
        group = (difference.code, difference.severity)
        seen[group] = seen.get(group, 0) + 1
        if seen[group] <= limit:
            kept.append(difference)
        else:
            rest.setdefault(group, []).append(difference)
    for (code, severity), more in rest.items():
        names = ", ".join(one.where for one in more[:3])
        kept.append(Difference(code, f"{len(more)} more", f"{len(more)} more of these: {names} ...", severity=severity))
    return kept


def _database(expected: Mapping[str, Any], actual: Mapping[str, Any]) -> Iterator[Difference]:
    older = min(expected.get("format", 1), actual.get("format", 1)) < 2
    for field in _DATABASE_FIELDS + (() if older else _DATABASE_FIELDS_SINCE_2):
        one, other = expected["database"].get(field), actual["database"].get(field)
        if one != other:
            message = f"the database's {field.replace('_', ' ')} differs"
            yield Difference("database-differs", field, message, expected=one, actual=other)
    yield from _collation_version(expected["database"], actual["database"])


def _collation_version(expected: Mapping[str, Any], actual: Mapping[str, Any]) -> Iterator[Difference]:
    """Yield what is wrong with the rules by which text is sorted, as the system's library has them."""
    for name in actual.get("stale_collations") or ():
        message = f"indexes that sort by {name} were built under another version of it: they may miss rows"
        yield Difference("collation-version-differs", f"collation {name}", message)
    recorded, provided = actual.get("collation_version"), actual.get("collation_version_here")
    if recorded and provided and recorded != provided:
        message = "indexes of this database were built under another version of its collation: they may miss rows"
        yield Difference(
            "collation-version-differs", "database", message, expected=recorded, actual=provided, severity="failure"
        )
    elif (there := expected.get("collation_version")) and recorded and there != recorded:
        message = "the machine that restored sorts text by another version of the collation than the source"
        yield Difference(
            "collation-version-differs", "database", message, expected=there, actual=recorded, severity="warning"
        )


def _kind(
    kind: str, expected: Mapping[str, Any], actual: Mapping[str, Any], *, same_major: bool, ignored: set[str]
) -> Iterator[Difference]:
    noun = NOUNS[kind]
    people = noun.replace("-", " ")
    for identity in sorted(expected.keys() | actual.keys()):
        if identity not in actual:
            yield _missing(kind, identity, expected[identity])
        elif identity not in expected:
            yield Difference("object-unexpected", identity, f"{people} {identity} is not in the source", kind=kind)
        else:
            one, other = (
                {name: value for name, value in side[identity].items() if name not in ignored}
                for side in (expected, actual)
            )
            yield from _fields(kind, identity, one, other, same_major=same_major)


def _missing(kind: str, identity: str, value: Mapping[str, Any]) -> Difference:
    people = NOUNS[kind].replace("-", " ")
    if kind == "indexes" and not value.get("valid", True):
        return Difference(
            "invalid-index-left-out",
            identity,
            f"index {identity} is invalid in the source, and pg_dump leaves such indexes out",
            kind=kind,
            severity="note",
        )
    code = f"{NOUNS[kind]}-missing"
    why = _WHY_MISSING.get(kind, "")
    message = f"{people} {identity} was not restored{why}"
    return Difference(code, identity, message, kind=kind, severity=CODES[code])


def _fields(
    kind: str, identity: str, expected: Mapping[str, Any], actual: Mapping[str, Any], *, same_major: bool
) -> Iterator[Difference]:
    fields = sorted(expected.keys() | actual.keys())
    same = _same_text if kind == "functions" else _same_meaning  # a function's body is kept as it was written
    changed = [name for name in fields if not same(expected.get(name), actual.get(name))]
    if not same_major:
        unknown = _NEW_IN_16.get(kind, set()) - (expected.keys() & actual.keys())
        changed = [name for name in changed if name not in unknown]
    changed = [name for name in changed if name in actual or name not in _NOT_DUMPED.get(kind, set())]
    unseen = _NEEDS_A_SUPERUSER.get(kind, set()) - (expected.keys() & actual.keys())
    changed = [name for name in changed if name not in unseen]
    if not changed:
        return
    code = f"{NOUNS[kind]}-differs"
    worded_anew = not same_major and set(changed) <= _DEFINING
    people = NOUNS[kind].replace("-", " ")
    why = "; the major versions differ, so the wording may too" if worded_anew else ""
    pairs = [_shown(expected.get(name), actual.get(name)) for name in changed]
    yield Difference(
        code,
        identity,
        f"{people} {identity} differs in {', '.join(name.replace('_', ' ') for name in changed)}{why}",
        expected="; ".join(f"{name}: {one}" for name, (one, _) in zip(changed, pairs, strict=True)),
        actual="; ".join(f"{name}: {other}" for name, (_, other) in zip(changed, pairs, strict=True)),
        severity="unknown" if worded_anew else "warning" if set(changed) <= _WHERE_IT_LIES else CODES[code],
        kind=kind,
    )


def _same_text(one: Any, other: Any) -> bool:
    return bool(one == other)


def _same_meaning(one: Any, other: Any) -> bool:
    if isinstance(one, str) and isinstance(other, str):
        return one == other or normalised(one) == normalised(other)
    return bool(one == other)


def _shown(expected: Any, actual: Any) -> tuple[str, str]:
    one, other = ("absent" if value is None else str(value) for value in (expected, actual))
    return excerpt(one, other) if max(len(one), len(other)) > _SHOWN else (one, other)


def _without_consequences(differences: list[Difference], expected: Mapping[str, Any]) -> list[Difference]:
    """Drop what is missing only because its table, view or function is missing as a whole."""
    gone = {one.where for one in differences if one.code in {"table-missing", "view-missing", "function-missing"}}
    gone |= {one.where for one in differences if one.code in {"sequence-missing", "type-missing"}}
    kept = [one for one in differences if not _hangs_on(one, gone, expected)]
    return [_with_consequences(one, len(differences) - len(kept)) if one.where in gone else one for one in kept]


def _with_consequences(difference: Difference, dropped: int) -> Difference:
    if not dropped or not difference.code.endswith("-missing"):
        return difference
    return replace(difference, message=f"{difference.message}, nor anything that hangs on it")


def _hangs_on(difference: Difference, gone: set[str], expected: Mapping[str, Any]) -> bool:
    if not difference.code.endswith("-missing") or difference.where in gone:
        return difference.where in gone and difference.kind in {"row_security"}
    where = difference.where
    match difference.kind:
        case "indexes":
            return expected["indexes"][where].get("table") in gone
        case "columns" | "constraints" | "policies" | "triggers" | "rules":
            return any(where.startswith(f"{name}.") for name in gone)
        case "owners":
            return any(where.endswith(f" {name}") for name in gone)
        case "grants":
            return any(f" {name} to " in where or f" {name}." in where for name in gone)
        case "comments":
            return any(f" {name}" in where for name in gone)
        case _:
            return False
