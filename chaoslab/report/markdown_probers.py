"""The section of report.md that shows what the probers saw."""

from chaoslab.core.harm import RECOVERED
from chaoslab.core.stalls import WORTH_TELLING_S
from chaoslab.report.charts import legend, strip
from chaoslab.report.markup import code, prose, table
from chaoslab.report.model import ProberResult, Report, Window
from chaoslab.report.wording import amount_text

_HEAD = ("when", "seconds", "asked", "bad", "good", "p50", "p95", "p99", "slowest")


def probers(report: Report) -> list[str]:
    """Return, for each prober, counts and latencies before, during and after the harm, and a chart."""
    if not report.probers:
        return []
    lines = ["## What the probers saw"]
    for prober in report.probers:
        heading = f"### {code(prober.name, 60) or 'a prober without a name'}"
        lines += ["", heading, "", *_prober(prober, _harm_name(report))]
    return lines


def _harm_name(report: Report) -> str:
    if "disaster_s" not in report.marks:
        return "fault"
    end = next((mark for mark in RECOVERED if f"{mark}_s" in report.marks), None)
    return f"from the disaster to {end}" if end else "from the disaster on"


def _prober(prober: ProberResult, harm: str) -> list[str]:
    shown = [window for window in prober.windows if window.count or window.name == "during"]
    lines = table(_HEAD, [_row(window) for window in shown], right=range(1, len(_HEAD)))
    during = next((window for window in prober.windows if window.name == "during"), None)
    over = any(window.name == "after" for window in prober.windows)
    chart = strip(prober, during.start_s if during else None, during.end_s if during and over else None, harm=harm)
    lines += ["", "```text", *chart, "```", "", f"({legend(prober.bucket_s)})"]
    if prober.first_bad_s is not None and prober.last_bad_s is not None:
        notes = ", ".join(f"{count:,} x {prose(note, 80)}" for note, count in prober.notes.items())
        lines += ["", f"Bad from {prober.first_bad_s:.3f} s to {prober.last_bad_s:.3f} s: {notes}."]
    if prober.longest_stall_s >= WORTH_TELLING_S:
        total, longest = amount_text(prober.stalled_s, "s"), amount_text(prober.longest_stall_s, "s")
        lines += ["", f"The prober itself stood still for {total} in all, for {longest} at the longest."]
    return lines


def _row(window: Window) -> list[str]:
    latencies = [window.p50_s, window.p95_s, window.p99_s, window.max_s]
    return [
        window.name,
        f"{window.start_s:.1f} to {window.end_s:.1f}",
        f"{window.count:,}",
        f"{window.count - window.good:,}",
        amount_text(window.good / window.count, "share") if window.count else "no sample",
        *("" if latency_s is None else amount_text(latency_s, "s") for latency_s in latencies),
    ]
