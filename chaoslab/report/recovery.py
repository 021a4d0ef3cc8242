"""Where the time to recover went: the way from the disaster to *verified*, cut at the marks on it."""

from collections.abc import Mapping

from chaoslab.report.model import Phase

_PHASE_ENDING_AT = {
    "detected": "detect",
    "fetched": "fetch",
    "provisioned": "provision",
    "restored": "restore",
    "serving": "serve",
    "verified": "verify",
}


def rto_phases(marks: Mapping[str, float]) -> list[Phase]:
    """Cut the way from the disaster at the known marks, in the order of their time.

    A mark that was not made joins its phase to the next one. Without a disaster there is no way to cut; without
    *verified* the way ends at the last mark that was reached.
    """
    disaster_s = marks.get("disaster")
    if disaster_s is None:
        return []
    last_s = marks.get("verified", float("inf"))
    ends = sorted(
        (marks[mark], order, phase) for order, (mark, phase) in enumerate(_PHASE_ENDING_AT.items()) if mark in marks
    )
    phases, start_s = [], disaster_s
    for end_s, _, phase in ends:
        if disaster_s <= end_s <= last_s:
            phases.append(Phase(name=phase, start_s=start_s, duration_s=end_s - start_s))
            start_s = end_s
    return phases
