"""What a run would do, to whom, and what it promises: plain data for people to approve and for a run to hold to.

A plan is never executed; the engine runs the file. So it is made of redacted values, and its digest says whether
the world still is as it was when somebody approved it, whatever the passwords are.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar

from chaoslab.core.document import read_document
from chaoslab.core.errors import BadFile, Problem
from chaoslab.core.kind import Kind
from chaoslab.core.masking import mask_passwords
from chaoslab.core.notes import Notes
from chaoslab.core.objective import Objective

SCHEMA = "chaoslab.plan/1"
_NO_OTHER_KEYS = {"extra": "forbid"}
"""How pydantic is to read a part of a plan. It is loaded only where a plan comes from a file."""


@dataclass(frozen=True, slots=True)
class PlannedTarget:
    """A system that the run acts on, with its references resolved."""

    __pydantic_config__: ClassVar[dict[str, str]] = _NO_OTHER_KEYS
    kind: str
    address: str


@dataclass(frozen=True, slots=True)
class PlannedGuard:
    """Something that is checked before anything is touched."""

    __pydantic_config__: ClassVar[dict[str, str]] = _NO_OTHER_KEYS
    name: str
    detail: str
    """What it holds the run to, for people."""


@dataclass(frozen=True, slots=True)
class PlannedWatch:
    """Who looks on while the run lasts: a prober, a tripwire."""

    __pydantic_config__: ClassVar[dict[str, str]] = _NO_OTHER_KEYS
    kind: str
    detail: str
    """What it asks, how often, and what comes of it, for people."""


@dataclass(frozen=True, slots=True)
class PlannedFault:
    """What a step breaks or makes, and how that is taken back."""

    __pydantic_config__: ClassVar[dict[str, str]] = _NO_OTHER_KEYS
    name: str
    target: str
    """What it was pinned to: `process 4711 (service)`."""
    ttl_s: float | None
    """How long it may live without its runner's word; None when only the end of the run takes it back."""
    undo: str
    """What takes it back, for people."""


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """A step in the order in which it would run."""

    __pydantic_config__: ClassVar[dict[str, str]] = _NO_OTHER_KEYS
    number: int
    """Counted from 1."""
    name: str
    phase: str
    """baseline, inject, recover, verify, undo or teardown."""
    function: str
    """`module.function`, `GET http://...`, or the program with its path."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    fault: PlannedFault | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """One run, before it happens."""

    __pydantic_config__: ClassVar[dict[str, str]] = _NO_OTHER_KEYS
    name: str
    kind: Kind
    title: str
    file: str
    targets: tuple[PlannedTarget, ...] = ()
    blast_radius: str = ""
    objectives: tuple[Objective, ...] = ()
    steps: tuple[PlannedStep, ...] = ()
    guards: tuple[PlannedGuard, ...] = ()
    watching: tuple[PlannedWatch, ...] = ()
    scratch: tuple[str, ...] = ()
    """What the run makes for itself and removes, whatever happens."""
    promises: tuple[str, ...] = ()
    """What holds however the run ends."""
    warnings: tuple[str, ...] = ()
    """What cannot be promised."""

    @property
    def digest(self) -> str:
        """Return the SHA-256 of everything in the plan; passwords in connection strings do not count."""
        canonical = json.dumps(
            mask_passwords(_numbers_alike(self._content())),
            sort_keys=True,
            separators=(",", ":"),
            ensure_ascii=True,
            allow_nan=False,
        )
        return hashlib.sha256(canonical.encode("ascii")).hexdigest()

    def redacted(self, redact: Callable[[Any], Any]) -> Plan:
        """Return the plan with every text of the run in it redacted; do so before it is shown, stored or compared.

        The plan's own words stay: a password that happens to be `drill` must not make it unreadable.
        """
        return replace(
            self,
            title=redact(self.title),
            targets=tuple(replace(target, address=redact(target.address)) for target in self.targets),
            blast_radius=redact(self.blast_radius),
            steps=tuple(_redacted_step(step, redact) for step in self.steps),
            guards=tuple(replace(guard, detail=redact(guard.detail)) for guard in self.guards),
            watching=tuple(replace(watch, detail=redact(watch.detail)) for watch in self.watching),
            scratch=tuple(redact(text) for text in self.scratch),
            promises=tuple(redact(text) for text in self.promises),
            warnings=tuple(redact(text) for text in self.warnings),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the plan as JSON data, with its digest."""
        return {"schema": SCHEMA, **self._content(), "digest": self.digest}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Plan:
        """Read back what `to_json` wrote.

        Raises:
            ValueError: the data is no plan, or was changed since its digest was taken.
        """
        content = dict(data)
        schema, digest = content.pop("schema", None), content.pop("digest", None)
        if schema != SCHEMA:
            raise ValueError(f"schema is {schema!r}, and must be '{SCHEMA}'; make the plan anew")
        plan = _built(content)
        if digest != plan.digest:
            raise ValueError("the plan was changed after it was made; make it anew with `chaoslab plan`")
        return plan

    def _content(self) -> dict[str, Any]:
        return {item.name: _plain(getattr(self, item.name)) for item in fields(self)}


def parse_plan(text: str | bytes, file: str) -> Plan:
    """Read a plan file.

    Raises:
        BadFile: it is no plan, or was changed since it was made.
    """
    document = read_document(text, file if file.endswith(".json") else f"{file}.json")
    if document.problems or not isinstance(document.data, dict):
        problems = [Problem(file, p.line, p.column, p.code, p.message, p.hint) for p in document.problems]
        hint = "make it with `chaoslab plan --json`"
        raise BadFile(problems or [Problem(file, 1, 1, "no-plan", "this is no plan", hint)])
    from pydantic import ValidationError

    try:
        return Plan.from_json(document.data)
    except ValidationError as error:
        notes = Notes(file, document.positions)
        for detail in error.errors(include_url=False, include_input=False):
            notes.wrong(detail["loc"], "no-plan", detail["msg"], "make the plan anew with `chaoslab plan --json`")
        raise BadFile(notes.problems) from error
    except ValueError as error:
        message, _, hint = str(error).partition("; ")
        raise BadFile([Problem(file, 1, 1, "no-plan", message, hint)]) from error


def _redacted_step(step: PlannedStep, redact: Callable[[Any], Any]) -> PlannedStep:
    fault = step.fault and replace(step.fault, target=redact(step.fault.target), undo=redact(step.fault.undo))
    return replace(
        step,
        name=redact(step.name),
        function=redact(step.function),
        arguments=redact(_plain(step.arguments)),
        fault=fault,
    )


def _built(content: Any) -> Plan:
    from pydantic import TypeAdapter

    # Strict validation of JSON takes arrays for tuples, that of Python data does not.
    return TypeAdapter(Plan).validate_json(json.dumps(content), strict=True)


def _plain(value: Any) -> Any:
    """Return a value as JSON can hold it; what it cannot hold, as text."""
    if isinstance(value, Objective):
        return _plain(value.to_json())
    if hasattr(value, "__dataclass_fields__"):
        return {item.name: _plain(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    return str(value).encode("utf-8", "replace").decode("utf-8")  # half a surrogate pair could not be written


def _numbers_alike(value: Any) -> Any:
    """Write 60.0 as 60: which of them a value is depends on the road it came."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: _numbers_alike(inner) for key, inner in value.items()}
    return [_numbers_alike(inner) for inner in value] if isinstance(value, list) else value
