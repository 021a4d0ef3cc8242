"""The `extensions` entry named chaoslab: what an exercise is, aims at, may touch, and must prove."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    GetJsonSchemaHandler,
    Strict,
    Tag,
    WithJsonSchema,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from chaoslab.core.kind import Kind
from chaoslab.core.needs import NEEDS
from chaoslab.core.objective import MEASURES, Objective, When
from chaoslab.core.suggest import hint_for
from chaoslab.core.unit_types import Duration, Share, Size

_REFERENCE = re.compile(r"^\$\{[A-Za-z_][A-Za-z0-9_.-]*\}$")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


def _filled(text: str) -> str:
    if not text.strip():
        raise ValueError("is empty; write some text")
    return text.strip()


def _known_need(word: str) -> str:
    if word not in NEEDS:
        raise ValueError(f"'{word}' is nothing that we know how to look for; {hint_for(word, NEEDS)}".rstrip("; "))
    return word


def _web_address(url: str) -> str:
    if not url.startswith(("http://", "https://", "${")):
        raise ValueError(f"'{url}' is no web address; begin it with http:// or https://, or write ${{name}}")
    return url


def _longer_than_zero(seconds: float) -> float:
    if seconds <= 0:
        raise ValueError("must be longer than zero; write 1s or 500ms")
    return seconds


def _rate_form(value: Any) -> str:
    return "<name>" if isinstance(value, str) and _REFERENCE.match(value) else "<hz>"


def _listed(value: Any) -> Any:
    """Take a single status for a list of one."""
    if isinstance(value, str):
        raise ValueError(f"'{value}' is no status; write 200 or [200, 204], without quotes")
    return [value] if isinstance(value, int) else value


Text = Annotated[str, AfterValidator(_filled)]
Word = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$", max_length=60)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_.-]*$", max_length=60)]
Need = Annotated[str, AfterValidator(_known_need), WithJsonSchema({"type": "string", "enum": sorted(NEEDS)})]
Url = Annotated[Text, AfterValidator(_web_address)]
Reference = Annotated[str, Field(pattern=_REFERENCE.pattern)]
Rate = Annotated[
    Annotated[float, Tag("<hz>"), Field(strict=True, gt=0, le=1000)] | Annotated[Reference, Tag("<name>")],
    Discriminator(_rate_form),
]
Period = Annotated[Duration, AfterValidator(_longer_than_zero)]
Status = Annotated[int, Strict(), Field(ge=100, le=599)]
_STATUS_SCHEMA = {"type": "integer", "minimum": 100, "maximum": 599}
Statuses = Annotated[
    tuple[Status, ...],
    Field(min_length=1),
    BeforeValidator(_listed),
    WithJsonSchema({"anyOf": [_STATUS_SCHEMA, {"type": "array", "items": _STATUS_SCHEMA, "minItems": 1}]}),
]


class Part(BaseModel):
    """A part of the extension: frozen, and without room for keys that mean nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class _Limit(Part):
    """A target, in its short form (`2h`) or its long one (`{at_most: 2h, of: PROBER}`)."""

    of: Name | None = Field(default=None, description="the prober whose samples count")
    when: When | None = Field(default=None, description="only samples of this phase count; else all from the fault on")

    @model_validator(mode="before")
    @classmethod
    def _long_form(cls, value: Any) -> Any:
        bound, other = cls._bounds()
        if not isinstance(value, dict):
            return {bound: value}
        if other in value:
            raise ValueError(f"{other} makes no sense here; write {bound}")
        return value

    @classmethod
    def _bounds(cls) -> tuple[str, str]:
        """Return the bound of this limit, and the one that would be the wrong way round."""
        return ("at_most", "at_least") if "at_most" in cls.model_fields else ("at_least", "at_most")

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Offer both forms to editors."""
        long_form = handler.resolve_ref_schema(handler(schema))
        return {"anyOf": [long_form["properties"][cls._bounds()[0]], long_form]}


class AtMost(_Limit):
    """A time that must not be exceeded."""

    at_most: Duration


class AtLeast(_Limit):
    """A share that must be reached."""

    at_least: Share


class Objectives(Part):
    """What must be reached, each at most once."""

    rto: AtMost | None = Field(default=None, description=MEASURES["rto"].meaning)
    rpo: AtMost | None = Field(default=None, description=MEASURES["rpo"].meaning)
    detection: AtMost | None = Field(default=None, description=MEASURES["detection"].meaning)
    recovery: AtMost | None = Field(default=None, description=MEASURES["recovery"].meaning)
    availability: AtLeast | None = Field(default=None, description=MEASURES["availability"].meaning)
    latency_p50: AtMost | None = Field(default=None, description=MEASURES["latency_p50"].meaning)
    latency_p90: AtMost | None = Field(default=None, description=MEASURES["latency_p90"].meaning)
    latency_p95: AtMost | None = Field(default=None, description=MEASURES["latency_p95"].meaning)
    latency_p99: AtMost | None = Field(default=None, description=MEASURES["latency_p99"].meaning)


class Target(Part):
    """A system that the exercise acts on; the key of its lock and of its allow-list."""

    kind: Word = Field(description="what it is: postgres, process, pod, proxy, ...")
    address: Text = Field(description="where it is; may hold ${name} of the configuration")


class Guards(Part):
    """What must hold before anything is touched."""

    free_disk: Size | None = Field(default=None, description="room needed for scratch things")
    allow: tuple[Text, ...] = Field(default=(), description="patterns; a target that fits none is refused")
    production: tuple[Text, ...] = Field(
        default=(), description="patterns; a target that fits one needs its name typed"
    )


class MixedRequest(Part):
    """One kind of request of a prober that asks several."""

    path: Text = Field(description="follows the url of the prober; {1..50} in it stands for each of these in turn")
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] = "GET"
    weight: int = Field(default=1, strict=True, ge=1, le=1000, description="how often, against the others")
    expect: Statuses = Field(default=(200,), description="the status of a good answer")
    body: dict[str, Any] = Field(default_factory=dict, description="JSON to send along")


class Prober(Part):
    """A client that asks at a fixed rate while the exercise runs."""

    name: Name
    url: Url = Field(description="may hold ${name} of the configuration")
    rate_hz: Rate = Field(default=20.0, description="requests per second; may be ${name} of the configuration")
    timeout: Period = Field(default=1.0, description="a later answer is a bad one", json_schema_extra={"default": "1s"})
    expect: Statuses = Field(default=(200,), description="the status of a good answer")
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] = "GET"
    requests: tuple[MixedRequest, ...] = Field(default=(), description="a mix of requests, as many users would ask")


class ProbeCall(Part):
    """A Python function that answers whether all is still well."""

    module: Text
    func: Text
    arguments: dict[str, Any] = Field(default_factory=dict)


class ProbeProber(Part):
    """A Python function that is asked at a fixed rate while the exercise runs: a lag, a queue, a replica."""

    name: Name
    probe: ProbeCall
    rate_hz: float = Field(default=2.0, strict=True, gt=0, le=20, description="questions per second")
    timeout: Period = Field(default=5.0, description="a later answer is a bad one", json_schema_extra={"default": "5s"})


def _prober_form(value: Any) -> str:
    by_probe = isinstance(value, ProbeProber) or (isinstance(value, dict) and "probe" in value and "url" not in value)
    return "<probe>" if by_probe else "<url>"


AnyProber = Annotated[
    Annotated[Prober, Tag("<url>")] | Annotated[ProbeProber, Tag("<probe>")], Discriminator(_prober_form)
]


class ProberTripwire(Part):
    """Stops the run once a prober has had only bad samples for long enough."""

    prober: Name
    bad_for: Period

    @property
    def name(self) -> str:
        """Return the name that reports give to the tripwire."""
        return self.prober


class ProbeTripwire(Part):
    """Stops the run once a probe has said no for long enough."""

    probe: ProbeCall
    every: Period = Field(default=5.0, description="pause between two looks", json_schema_extra={"default": "5s"})
    bad_for: Period

    @property
    def name(self) -> str:
        """Return the name that reports give to the tripwire."""
        return f"{self.probe.module}.{self.probe.func}"


def _tripwire_form(value: Any) -> str | None:
    if isinstance(value, ProberTripwire) or (isinstance(value, dict) and "prober" in value and "probe" not in value):
        return "<prober>"
    if isinstance(value, ProbeTripwire) or (isinstance(value, dict) and "probe" in value and "prober" not in value):
        return "<probe>"
    return None


Tripwire = Annotated[
    Annotated[ProberTripwire, Tag("<prober>")] | Annotated[ProbeTripwire, Tag("<probe>")],
    Discriminator(
        _tripwire_form,
        custom_error_type="tripwire_form",
        custom_error_message="must watch one thing; write {prober: NAME, bad_for: 10s} or {probe: {...}, bad_for: 10s}",
    ),
]


class Extension(Part):
    """Everything that chaoslab adds to a Chaos Toolkit file."""

    name: Literal["chaoslab"]
    kind: Kind
    domain: Word = Field(description="the area it belongs to: postgres, network, process, ...")
    needs: tuple[Need, ...] = Field(default=(), description="what the machine must offer")
    objectives: Objectives = Objectives()
    targets: tuple[Target, ...] = Field(min_length=1)
    blast_radius: Text = Field(description="one sentence: who and what can be hurt, at worst")
    guards: Guards = Guards()
    probers: tuple[AnyProber, ...] = ()
    tripwires: tuple[Tripwire, ...] = ()

    def judged(self) -> tuple[Objective, ...]:
        """Return the objectives as the judge takes them; an only prober answers those that name none."""
        only = self.probers[0].name if len(self.probers) == 1 else None
        judged = []
        for name, measure in MEASURES.items():
            limit: AtMost | AtLeast | None = getattr(self.objectives, name)
            if limit is None:
                continue
            target = limit.at_most if isinstance(limit, AtMost) else limit.at_least
            of = (limit.of or only) if measure.by_prober else None
            judged.append(Objective(name, measure.bound, target, measure.unit, of, limit.when))
        return tuple(judged)
