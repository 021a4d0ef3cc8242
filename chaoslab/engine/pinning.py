"""Pin the faults of a plan, and read the arguments of our other steps; what is wrong is told with its place."""

import inspect
import re
from collections.abc import Mapping
from typing import Any

from chaoslab.core.errors import BadUsage, ChaoslabError, Refused, one_line
from chaoslab.core.plan import PlannedFault
from chaoslab.core.positions import Path
from chaoslab.core.references import references_in, texts_in
from chaoslab.core.spec import Spec
from chaoslab.core.suggest import hint_for
from chaoslab.core.toolkit import all_steps
from chaoslab.core.units import shown
from chaoslab.engine.outcomes import Activity
from chaoslab.engine.steps import Section
from chaoslab.runtime.actions import undo
from chaoslab.runtime.fault import fault_of, pin_of, short_name_of
from chaoslab.runtime.fitting import check_lasting
from chaoslab.runtime.steps import phase_of

UNKNOWN = "known when the run gets there"
_UNDO_SECTION = re.compile(r"\bUndo: (?P<text>.+?)(?=\s+[A-Z][\w ]*:\s|\Z)", re.DOTALL)


class Pinning:
    """Looks at the steps of one file, and collects what is wrong with them."""

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self.problems: list[str] = []
        self._injected: list[str] = []
        """Names of the faults of the steps before."""

    def pin(self, activity: Activity, section: Section, function: Any, arguments: Any) -> PlannedFault | None:
        """Return the fault that a step of the method injects, its target resolved; None for any other step."""
        if not isinstance(arguments, Mapping):
            return None
        known = {name: value for name, value in arguments.items() if not _has_references(value)}
        if fault_of(function) is None:
            if phase_of(function):
                self._try(activity, lambda: check_lasting(known))
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

    def _try(self, activity: Activity, call: Any) -> Any:
        try:
            return call()
        except ChaoslabError as error:
            told = error.reason if isinstance(error, Refused) else str(error)
            argument = told.partition(":")[0] if isinstance(error, BadUsage) else ""
        except OSError as error:  # what was looked at cannot be: too long a name, no more descriptors
            told, argument = str(error), ""
        except Exception as error:
            if activity["provider"]["module"].startswith("chaoslab."):
                raise  # a fault of ours that breaks is ours to mend, and must not look like a refusal
            told, argument = f"its own check raises {type(error).__name__}: {error}", ""
        self.problems.append(f"{self._place(activity, argument)}step {activity['name']}: {one_line(told)}")
        return None

    def _check_injected(self, fault: Any) -> None:
        """Refuse the undo of a fault that no step before injects: misspelt, it would leave the real one standing."""
        if fault and str(fault) not in {word for name in self._injected for word in (name, name.rpartition(".")[2])}:
            hint = hint_for(str(fault), self._injected)
            raise BadUsage(f"fault: no step before injects {shown(fault)}; {hint}".rstrip("; "))

    def _place(self, activity: Activity, argument: str) -> str:
        """Return `file:line:col: ` of an argument, or else of all arguments of a step."""
        way = next((path for path, step in all_steps(self._spec.document) if step is activity), None)
        if way is None:
            return ""
        inner: Path = (*way, "provider", "arguments")
        if argument and (*inner, argument) in self._spec.positions.values:
            inner = (*inner, argument)
        place = self._spec.positions.of_value(inner)
        return f"{self._spec.file}:{place.line}:{place.column}: "


def _belongs_elsewhere() -> None:
    raise Refused("target", "a hypothesis only looks, and this injects a fault; it belongs in the method")


def undo_text(function: Any) -> str:
    """Return what the function's own description says about its undo."""
    match = _UNDO_SECTION.search(inspect.getdoc(function) or "")
    return " ".join(match["text"].split()) if match else f"by {short_name_of(function)}"


def _has_references(value: Any) -> bool:
    return any(references_in(text) for _, text in texts_in({"": value}, ()))
