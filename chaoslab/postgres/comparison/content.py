"""Compare what the rows say: counts, digests, sequences, large objects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from chaoslab.postgres.difference import Difference
from chaoslab.postgres.proofs.audit import compare_audit


def compare_content(expected: Mapping[str, Any], actual: Mapping[str, Any]) -> Iterator[Difference]:
    """Yield the differences in rows, sequences and large objects; nothing when either side knows no rows."""
    if "content" not in expected or "content" not in actual:
        return
    why_not = _incomparable(expected, actual)
    if why_not:
        message = f"only the numbers of rows were compared: {why_not}"
        yield Difference("rows-not-compared", "all tables", message, severity="unknown")
    yield from compare_rows(expected["content"], actual["content"], with_digests=not why_not)
    yield from compare_sequences(expected, actual)
    yield from compare_audit(expected.get("audit"), actual.get("audit"))
    known = expected["large_objects"].keys() & actual["large_objects"].keys()
    parts = [name for name in ("count", "digest", "rights") if name in known]
    changed = [name for name in parts if _large(expected, name) != _large(actual, name)]
    if changed:
        words = {"count": "number", "digest": "content", "rights": "owners and rights"}
        yield Difference(
            "large-objects-differ",
            "large objects",
            f"the large objects differ in {', '.join(words[name] for name in changed)}",
            expected={name: _large(expected, name) for name in changed},
            actual={name: _large(actual, name) for name in changed},
        )


def _incomparable(expected: Mapping[str, Any], actual: Mapping[str, Any]) -> str:
    """Return why digests that were taken of the restored rows cannot be compared; '' when they can, or none were."""
    if not any("digest" in one for one in actual["content"].values()):
        return ""
    if not any("digest" in one for one in expected["content"].values()):
        return "the facts of the dump hold no digests" if expected["content"] else ""
    if expected.get("row_hash", "text") != actual.get("row_hash", "text"):
        return "the digests of the two were made in different ways"
    return ""


def _large(facts: Mapping[str, Any], name: str) -> Any:
    return facts["large_objects"].get(name)


def is_emptied(expected: Mapping[str, Any], actual: Mapping[str, Any]) -> bool:
    """Return whether tables that should hold rows are there and hold none at all."""
    shared = [name for name in expected if name in actual and not expected[name].get("materialized")]
    return sum(expected[name]["rows"] for name in shared) > 0 and not any(actual[name]["rows"] for name in shared)


def data_missing(expected: Mapping[str, Any]) -> Difference:
    """Return the difference that stands for all the rows of a database."""
    filled = [name for name, one in expected.items() if one["rows"] and not one.get("materialized")]
    return Difference(
        "data-missing",
        "all tables",
        f"the tables were restored without their rows: all {len(filled)} that should hold some are empty",
        expected=sum(expected[name]["rows"] for name in filled),
        actual=0,
    )


def compare_rows(
    expected: Mapping[str, Any], actual: Mapping[str, Any], *, with_digests: bool = True
) -> Iterator[Difference]:
    """Yield the tables whose rows differ; one difference only when all are gone."""
    if is_emptied(expected, actual):
        yield data_missing(expected)
        return
    for name in sorted(expected.keys() & actual.keys()):
        one, other = expected[name], actual[name]
        compared = with_digests and "digest" in one and "digest" in other
        same_digest = not compared or one["digest"] == other["digest"]
        if one.get("materialized"):
            if one["rows"] != other["rows"] or not same_digest:
                yield refreshed(name, one["rows"], other["rows"])
        elif one["rows"] != other["rows"]:
            yield Difference(
                "row-count-differs",
                name,
                f"{name} has {other['rows']} rows instead of {one['rows']}",
                expected=one["rows"],
                actual=other["rows"],
            )
        elif not same_digest:
            yield Difference(
                "content-differs",
                name,
                f"{name} has as many rows as it should, but their content differs",
                expected=f"digest {one['digest']}",
                actual=f"digest {other['digest']}",
            )


def refreshed(name: str, expected: int, actual: int) -> Difference:
    """Return the note that a materialized view is newer than in the source: restoring computes it anew."""
    return Difference(
        "materialized-view-refreshed",
        name,
        f"{name} was computed anew by the restore, so it differs from the source's older content",
        expected=expected,
        actual=actual,
        severity="note",
    )


def compare_sequences(expected: Mapping[str, Any], actual: Mapping[str, Any]) -> Iterator[Difference]:
    """Yield the sequences that stand outside of where the source's stood while it was dumped."""
    later = expected.get("sequences_after", expected["sequences"])
    for name in sorted(expected["sequences"].keys() & actual["sequences"].keys()):
        rules = expected["structure"]["sequence_rules"].get(name, {})
        step = rules.get("increment", 1)
        low = upcoming(expected["sequences"][name], step)
        high = upcoming(later.get(name, expected["sequences"][name]), step)
        now = upcoming(actual["sequences"][name], step)
        if rules.get("cycle") and (high - low) * step < 0:
            continue  # it went round while it was dumped: any position is possible
        if (now - low) * step < 0:
            yield Difference(
                "sequence-behind",
                name,
                f"sequence {name} would hand out numbers that were handed out before",
                expected=f"next value {low}",
                actual=f"next value {now}",
            )
        elif (now - high) * step > 0:
            yield Difference(
                "sequence-ahead",
                name,
                f"sequence {name} stands beyond where the source's stood",
                expected=f"next value {high}",
                actual=f"next value {now}",
            )


def upcoming(position: Mapping[str, Any], increment: int) -> int:
    """Return the number that a sequence hands out next."""
    last: int = position["last_value"]
    return last + increment if position["is_called"] else last
