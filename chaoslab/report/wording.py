"""Figures as people read them, the same on the screen and in every report."""

from chaoslab.core.units import duration_text, format_duration, format_share, format_size
from chaoslab.report.model import Figure, ObjectiveResult

_SIGNS = {"at_most": "≤", "at_least": "≥"}


def amount_text(value: float, unit: str) -> str:
    """Write a figure with its unit: `8.2s`, `52 MiB`, `99.9%`, `1,204 rows`."""
    match unit:
        case "s":
            return format_duration(value)
        case "bytes":
            return format_size(round(value))
        case "share":
            return format_share(value)
        case _:
            return f"{_number(value)} {unit}".strip()


def interval_text(low: float | None, high: float | None, unit: str) -> str:
    """Write a figure that lies between bounds; null at the high end means that nothing bounds it."""
    if low is None:
        return "unknown" if high is None else f"up to {amount_text(high, unit)}"
    if high is None:
        return f"{amount_text(low, unit)} or more"
    first, last = amount_text(low, unit), amount_text(high, unit)
    if first == last:
        return first
    return f"up to {last}" if low == 0 else f"{first} to {last}"


def figure_text(figure: Figure) -> str:
    """Write a measured figure: a number or its bounds."""
    if isinstance(figure.value, tuple):
        return interval_text(*figure.value, figure.unit)
    return interval_text(figure.value, figure.value, figure.unit)


def objective_name(result: ObjectiveResult) -> str:
    """Name an objective, and the prober that it is of: `availability of api`."""
    words = [result.name, f"of {result.of}" if result.of else "", f"{result.when} the fault" if result.when else ""]
    return " ".join(word for word in words if word)


def target_text(result: ObjectiveResult) -> str:
    """Write what was promised: `≤ 2h`, `≥ 95%`."""
    exact = duration_text(result.objective) if result.unit == "s" else format_share(result.objective)
    return f"{_SIGNS[result.bound]} {exact}"


def actual_text(result: ObjectiveResult) -> str:
    """Write what was measured."""
    return interval_text(result.actual.low, result.actual.high, result.unit)


def margin_text(result: ObjectiveResult) -> str:
    """Write what is left of the promise, or by how much it was missed; '' when that is not known."""
    if result.margin is None:
        return ""
    over = "over" if result.bound == "at_most" else "short"
    word = "left" if result.margin >= 0 else over
    return f"{_distance(abs(result.margin), result.unit)} {word}"


def count_text(count: int, noun: str) -> str:
    """Write a count with its noun: `1 finding`, `3 findings`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def clip(text: str, length: int) -> str:
    """Cut a text to a length in characters, on one line, and show that it was cut."""
    line = " ".join(text.split())
    return line if len(line) <= length else line[: length - 1].rstrip() + "…"


def _distance(value: float, unit: str) -> str:
    """Write a difference; that of two shares is in percentage points."""
    if unit != "share":
        return amount_text(value, unit)
    points = f"{value * 100:.3g}"
    return f"{points} point{'' if points == '1' else 's'}"


def _number(value: float) -> str:
    if isinstance(value, int) or value == int(value):
        return f"{int(value):,}"
    return f"{value:,.3f}".rstrip("0").rstrip(".") if abs(value) >= 0.001 else f"{value:.3g}"
