"""A fault: how to inject it, how to see that it bites, how to undo it.

The three are plain functions of the same JSON data. The ledger keeps the data and the *name* of the action, so
that any process, on any later day, can undo; nothing is pickled and no code is stored.
"""

import functools
import importlib
import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from chaoslab.core.errors import ChaoslabError, NoSession
from chaoslab.runtime.fitting import fitted
from chaoslab.runtime.ledger import Role

Data = Mapping[str, Any]
_MARK = "__chaoslab_fault__"
_PIN = "__chaoslab_pin__"


@dataclass(frozen=True, slots=True)
class Pinned:
    """A fault with its target resolved. Making one touches nothing, so that a plan can show it."""

    target: str
    """What will be hit, for people: `process 4711 (service)`."""
    data: Data
    """What inject, effective and undo need: JSON."""
    ttl_s: float
    """How long the fault may live, in seconds, before the reaper undoes it."""
    claims: tuple[str, ...] = ()
    """The places on the target that the undo puts back, in words that are the same for whoever means the same place;
    without them, the place of this very fault with this very data. See `claims.py`."""


@dataclass(frozen=True, slots=True)
class Fault:
    """The functions behind one fault, or behind one scratch thing that a run makes."""

    inject: Callable[[Data], Any]
    undo: Callable[[Data], None]
    """Idempotent, and harmless when inject never happened or only half."""
    effective: Callable[[Data], bool] | None = None
    """Ask the target whether it is hit; changes nothing. Every fault has one; scratch things need none."""
    role: Role = "fault"
    momentary: bool = False
    """True when the fault is over as soon as it bit, as a kill is: its end is then its injection."""
    effective_within_s: float = 5.0
    undo_deadline_s: float = 30.0
    loads: tuple[str, ...] = ()
    """Modules that the undo imports and that take their time: the reaper loads them before it is needed."""

    def action[**P](self, pin: Callable[P, Pinned]) -> Callable[P, Any]:
        """Make the action of a catalog file out of the function that pins its target.

        Calling the action strikes: the intent is written and synced, the fault injected, its effect awaited.
        It returns what `inject` returned.
        """

        @functools.wraps(pin)
        def pin_fitted(*args: P.args, **kwargs: P.kwargs) -> Pinned:
            positional = dict(zip(inspect.signature(pin).parameters, args, strict=False))
            return pin(**fitted(pin, {**positional, **kwargs}))  # type: ignore[call-arg]

        @functools.wraps(pin)
        def strike(*args: P.args, **kwargs: P.kwargs) -> Any:
            return _striker(strike, pin_fitted(*args, **kwargs))

        setattr(strike, _MARK, self)
        setattr(strike, _PIN, pin_fitted)
        return strike


type Striker = Callable[[Callable[..., Any], Pinned], Any]


def _no_run(action: Callable[..., Any], pinned: Pinned) -> Any:
    """Refuse to inject: outside a run nothing would undo it."""
    raise NoSession


_striker: Striker = _no_run


def strike_by(striker: Striker | None) -> None:
    """Have faults injected by a run; by none, when it is over."""
    global _striker
    _striker = striker or _no_run


def fault_of(action: Callable[..., Any]) -> Fault | None:
    """Return the fault that an action carries, or None for any other function."""
    fault: Fault | None = getattr(action, _MARK, None)
    return fault


def pin_of(action: Callable[..., Any]) -> Callable[..., Pinned]:
    """Return the function that resolves the target of an action without touching it."""
    pin: Callable[..., Pinned] = getattr(action, _PIN)
    return pin


def reference_of(action: Callable[..., Any]) -> str:
    """Return the name under which the ledger finds the action again: `package.module:function`."""
    return f"{action.__module__}:{action.__qualname__}"


def short_name_of(action: Callable[..., Any]) -> str:
    """Return the fault's name for people: `chaoslab.process.actions:pause` is `process.pause`."""
    module = action.__module__.removeprefix("chaoslab.").removesuffix(".actions")
    return f"{module}.{action.__name__}"


def places_of(action: Callable[..., Any], pinned: Pinned) -> tuple[str, ...]:
    """Return which places a fault claims for itself: a scratch thing is new, a momentary one is over."""
    fault = fault_of(action)
    if fault is None or fault.role != "fault" or fault.momentary:
        return ()
    return pinned.claims or (f"{reference_of(action)} {json.dumps(pinned.data, sort_keys=True)}",)


def resolve(reference: str) -> Fault:
    """Return the fault behind a name from the ledger.

    Raises:
        ChaoslabError: there is no such function any more, or it carries no fault, or a package that it needs is absent.
    """
    module, _, name = reference.partition(":")
    try:
        fault = fault_of(getattr(importlib.import_module(module), name))
    except ModuleNotFoundError as error:
        raise ChaoslabError(f"cannot load the undo {reference}: {error}; {_remedy(module, error.name)}") from error
    except Exception as error:  # whatever a module does while it is imported
        raise ChaoslabError(f"cannot load the undo {reference}: {error}") from error
    if fault is None:
        raise ChaoslabError(f"cannot undo by {reference}: it is no fault")
    return fault


def _remedy(module: str, absent: str | None) -> str:
    """Say how the module behind an undo comes back."""
    if absent and not module.startswith(absent):
        return f"install what brings {absent} where this runs (an extra of chaoslab, or the module's own package)"
    return "install the version of its package that made the run, or put its folder into PYTHONPATH"
