"""Pin the faults of a plan, and read the arguments of our other steps; what is wrong is told with its place.

An argument that makes no sense is a mistake of the file; a target that cannot be had is a refusal.
"""

import inspect
import re
from collections.abc import Mapping, Sequence
from typing import Any

from chaoslab.core.errors import BadFile, BadUsage, ChaoslabError, Problem, Refused, one_line
from chaoslab.core.plan import PlannedFault
from chaoslab.core.positions import Path
from chaoslab.core.references import known_of
from chaoslab.core.spec import Spec
from chaoslab.core.suggest import hint_for
from chaoslab.core.toolkit import all_steps
from chaoslab.core.units import shown
from chaoslab.engine.outcomes import Activity
from chaoslab.engine.steps import Section
from chaoslab.runtime.actions import undo
from chaoslab.runtime.fault import fault_of, pin_of, short_name_of
from chaoslab.runtime.fitting import check_arguments
from chaoslab.runtime.steps import phase_of

UNKNOWN = "known when the run gets there"
_UNDO_SECTION = re.compile(r"\bUndo: (?P<text>.+?)(?=\s+[A-Z][\w ]*:\s|\Z)", re.DOTALL)


class Pinning:
    """Looks at the steps of one file, and collects what is wrong with them."""

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._wrong: list[Problem] = []
        self._refused: list[str] = []
        self._injected: list[str] = []
        """Names of the faults of the steps before."""

    def pin(self, activity: Activity, section: Section, function: Any, arguments: Any) -> PlannedFault | None:
        """Return the fault that a step of the method injects, its target resolved; None for any other step."""
        if not isinstance(arguments, Mapping):
            return None
        known = known_of(arguments)
        if fault_of(function) is None:
            if phase_of(function):
                self._try(activity, lambda: check_arguments(function, known))
            if function is undo:
                self._try(activity, lambda: self._check_injected(known.get("fault", "")))
            return None
        if section in ("before", "after"):
            self._try(activity, _belongs_elsewhere)
        if section != "method":
            return None
        name, text = short_name_of(function), undo_text(function)
        self._injected.append(name)
        pinned = None
        if len(known) == len(arguments):
            pinned = self._try(activity, lambda: pin_of(function)(**arguments))
        return PlannedFault(name, pinned.target if pinned else UNKNOWN, pinned.ttl_s if pinned else None, text)

    def conclude(self, others: Sequence[Problem]) -> None:
        """Tell everything that was wrong, together with what is wrong elsewhere in the file.

        Raises:
            BadFile: an argument makes no sense.
            Refused: a target cannot be had.
        """
        if wrong := [*dict.fromkeys(self._wrong), *others]:
            raise BadFile(wrong)
        if self._refused:
            raise Refused("target", "; ".join(dict.fromkeys(self._refused)))

    def _try(self, activity: Activity, call: Any) -> Any:
        told_of = f"step {activity['name']}: "
        try:
            return call()
        except BadUsage as error:
            argument = str(error).partition(":")[0]
            place = self._spec.positions.of_value(self._way(activity, argument))
            self._wrong.append(Problem(self._spec.file, *place, "bad-value", f"{told_of}{error}"))
            return None
        except ChaoslabError as error:
            told = error.reason if isinstance(error, Refused) else str(error)
        except OSError as error:  # what was looked at cannot be: too long a name, no more descriptors
            told = str(error)
        except Exception as error:
            if activity["provider"]["module"].startswith("chaoslab."):
                raise  # a fault of ours that breaks is ours to mend, and must not look like a refusal
            told = f"its own check raises {type(error).__name__}: {error}"
        place = self._spec.positions.of_value(self._way(activity))
        self._refused.append(f"{self._spec.file}:{place.line}:{place.column}: {one_line(told_of + told)}")
        return None

    def _check_injected(self, fault: Any) -> None:
        """Refuse the undo of a fault that no step before injects: misspelt, it would leave the real one standing."""
        if fault and str(fault) not in {word for name in self._injected for word in (name, name.rpartition(".")[2])}:
            hint = hint_for(str(fault), self._injected)
            raise BadUsage(f"fault: no step before injects {shown(fault)}; {hint}".rstrip("; "))

    def _way(self, activity: Activity, argument: str = "") -> Path:
        """Return the path of an argument, or else of all arguments of a step."""
        way = next((path for path, step in all_steps(self._spec.document) if step is activity), ())
        inner: Path = (*way, "provider", "arguments")
        return (*inner, argument) if (*inner, argument) in self._spec.positions.values else inner


def _belongs_elsewhere() -> None:
    raise BadUsage("a hypothesis only looks, and this injects a fault; it belongs in the method")


def undo_text(function: Any) -> str:
    """Return what the function's own description says about its undo."""
    match = _UNDO_SECTION.search(inspect.getdoc(function) or "")
    return " ".join(match["text"].split()) if match else f"by {short_name_of(function)}"
