"""Steps that every catalog file can use."""

from typing import Any

from chaoslab.core.errors import Residue
from chaoslab.runtime.arguments import seconds
from chaoslab.runtime.session import current
from chaoslab.runtime.steps import step
from chaoslab.runtime.undoing import describe


@step("undo")
def undo(fault: str = "") -> dict[str, Any]:
    """Undo the faults of one name, or all, before the run ends.

    Args:
        fault: the action's name, in full (`process.pause`) or in short (`pause`); '' means all faults.

    Raises:
        Residue: something could not be undone.
    """
    session = current()
    before = session.open_entries()
    residue = session.undo(fault or (lambda entry: entry.role == "fault"))
    if residue:
        raise Residue(f"cannot undo {describe(residue)}: {residue[0].error}")
    for name in session.samplers:
        session.sampler(name).horizon_s = session.now_s()
    return {"undone": len(before) - len(session.open_entries())}


@step("verify")
def wait(duration: str) -> dict[str, Any]:
    """Let time pass, `duration` long (`10s`, `2m`); the run may be stopped meanwhile.

    Raises:
        BadUsage: it is no duration.
    """
    waited_s = seconds("duration", duration)
    current().sleep(waited_s)
    return {"waited_s": waited_s}


@step("verify")
def mark(name: str) -> dict[str, Any]:
    """Note an instant of the exercise, such as `detected` or `serving`."""
    session = current()
    session.mark(name)
    return {"mark": name, "at_s": round(session.now_s(), 6)}
