"""The section of report.md with one row for each database of a fleet or backup of a store, the slowest first."""

from typing import Any, TypeGuard

from chaoslab.report.markup import prose, table
from chaoslab.report.model import PartResult, Report
from chaoslab.report.wording import amount_text, count_text, interval_text

_MOST_ROWS = 100
_MOST_COLUMNS = 9
"""Figures; report.json has them all."""
_FIRST = ("verified_s", "lost_s", "dump_s", "restore_s", "verify_s", "dump_bytes", "bytes", "rows")
_END = "verified_s"
_AGE = "age_s"
_LOST = "lost_s"
_UNITS = {"s": "s", "bytes": "bytes", "share": "share"}


def parts(report: Report) -> list[str]:
    """Return the table of the parts, and what the slowest of them took its time for."""
    if not report.parts:
        return []
    ordered = sorted(report.parts, key=lambda part: (-_last_s(part), part.name))
    columns = _columns(report.parts)
    head = ["what", "outcome", *(_heading(name) for name in columns), "findings"]
    rows = [_row(part, columns) for part in ordered[:_MOST_ROWS]]
    right = [2 + number for number, name in enumerate(columns) if _holds_numbers(report.parts, name)]
    lines = ["## One by one", "", f"{_counted(report.parts)}. {_slowest(ordered[0])}".rstrip(), ""]
    lines += table(head, rows, right=right)
    if (left := len(ordered) - _MOST_ROWS) > 0:
        lines += ["", f"... and {count_text(left, 'more row')} in report.json."]
    return lines


def _counted(found: list[PartResult]) -> str:
    counts = {outcome: sum(part.outcome == outcome for part in found) for outcome in ("ok", "failed", "unknown")}
    return f"{len(found):,} in all: " + ", ".join(f"{count:,} {outcome}" for outcome, count in counts.items() if count)


def _holds_numbers(found: list[PartResult], name: str) -> bool:
    return not any(isinstance(part.figures.get(name), str) for part in found)


def _slowest(part: PartResult) -> str:
    """Return the way of the part that came last, or the age of the oldest; '' when nothing says how long any took."""
    if _last_s(part) <= 0:
        return ""
    end = part.figures.get(_END)
    done = f", verified {amount_text(end, 's')} after the disaster" if _is_number(end) else ""
    stretches = [
        f"{_heading(name)} {amount_text(value, 's')}"
        for name, value in part.figures.items()
        if name.endswith("_s") and name not in (_END, _LOST) and _is_number(value)
    ]
    word = "oldest" if _AGE in part.figures else "slowest"
    return f"The {word}: {prose(part.name, 120)}{done}" + (f" ({', '.join(stretches)})" if stretches else "") + "."


def _last_s(part: PartResult) -> float:
    """Return when a part was done; where nobody says, how long it took at least."""
    end = part.figures.get(_END)
    if _is_number(end):
        return float(end)
    took = [
        value for name, value in part.figures.items() if name.endswith("_s") and name != _LOST and _is_number(value)
    ]
    return float(max(took, default=0.0))


def _columns(found: list[PartResult]) -> list[str]:
    names = dict.fromkeys(name for part in found for name in part.figures)
    known = [name for name in _FIRST if name in names]
    others = [name for name in names if name not in known and name != "note"]
    return (known + others)[:_MOST_COLUMNS] + ["note"] * ("note" in names)


def _heading(name: str) -> str:
    """Return a figure's name without the unit, which each cell shows; of bytes it says that it is a size."""
    stem, _, unit = name.rpartition("_")
    if unit == "bytes":
        return prose(f"{stem} size".replace("_", " ").strip(), 40)
    return prose(stem.replace("_", " ") if stem and unit in _UNITS else name.replace("_", " "), 40)


def _row(part: PartResult, columns: list[str]) -> list[str]:
    outcome = part.outcome if part.outcome == "ok" else f"**{part.outcome}**"
    shown = ", ".join(part.findings[:3]) + (" ..." if len(part.findings) > 3 else "")
    return [prose(part.name, 80), outcome, *(_cell(name, part.figures.get(name)) for name in columns), prose(shown)]


def _cell(name: str, value: Any) -> str:
    unit = _UNITS.get(name.rpartition("_")[2], "")
    if _is_number(value):
        return amount_text(value, unit)
    if isinstance(value, list) and len(value) == 2 and all(end is None or _is_number(end) for end in value):
        return interval_text(value[0], value[1], unit)
    return "" if value is None else prose(str(value), 120)


def _is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
