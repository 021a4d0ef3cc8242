"""Time commands and functions side by side in one run, so that a slow machine slows both.

Figures are medians; a ratio is the median of the ratios of neighbouring pairs. Nothing is asserted here: a goal
that is not reached is printed as such.
"""

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

type Timed = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    what: str
    ours: str
    other: str
    figure: float
    """What is held against the goal: a ratio, or a duration in seconds."""
    unit: str
    goal: float | None


def seconds(work: Callable[[], object]) -> float:
    """Return how long a call takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def command(arguments: Sequence[str | Path], *, folder: Path | None = None) -> Timed:
    """Return a timer of a whole process that must succeed."""

    # Without bytecode on the disk each process would compile what it imports, and that, not the commands, be timed.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}

    def once() -> float:
        return seconds(lambda: subprocess.run(arguments, cwd=folder, env=environment, check=True, capture_output=True))

    return once


def paired(what: str, ours: Timed, other: Timed, *, runs: int, goal: float) -> Row:
    """Run the two in turn, once uncounted and then `runs` times, and compare them pair by pair."""
    ours()
    other()
    pairs = [(ours(), other()) for _ in range(runs)]
    ratio = statistics.median(a / b for a, b in pairs)
    left, right = (f"{statistics.median(side):.3f} s" for side in zip(*pairs, strict=True))
    return Row(what, left, right, ratio, "x", goal)


def alone(what: str, samples_s: Sequence[float], *, goal: float) -> Row:
    """Report the median of durations that have no counterpart."""
    return Row(what, f"{statistics.median(samples_s):.4f} s", "", statistics.median(samples_s), "s", goal)


def table(rows: Sequence[Row]) -> str:
    """Return the rows as a Markdown table."""
    lines = ["| what | chaoslab | other | figure | goal | |", "|---|---|---|---|---|---|"]
    for row in rows:
        reached = "" if row.goal is None else ("reached" if row.figure <= row.goal else "**not reached**")
        goal = "" if row.goal is None else f"<= {row.goal:g} {row.unit}"
        lines.append(f"| {row.what} | {row.ours} | {row.other} | {row.figure:.3f} {row.unit} | {goal} | {reached} |")
    return "\n".join(lines)
