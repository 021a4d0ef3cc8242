"""What our extension would say of a file: domain, blast radius, targets, probers and objectives, as far as it shows."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from chaoslab.core.checks.view import Step, View
from chaoslab.core.proposal.equivalent import Equivalent
from chaoslab.core.units import duration_text

MARK = "# DECIDE:"
_DOMAINS = {"chaosk8s": "kubernetes", "chaosistio": "network", "chaostoxi": "network", "chaosaws": "aws"}
_DOMAINS |= {"chaosazure": "azure", "pdchaosazure": "azure", "chaosgcp": "gcp", "chaosspring": "http"}


class Replaced(NamedTuple):
    """A step and our fault in its place."""

    step: Step
    by: Equivalent


class Prober(NamedTuple):
    """A client that asks what a probe of the hypothesis asks."""

    name: str
    url: str
    timeout_s: float
    expect: tuple[int, ...]

    @property
    def line(self) -> str:
        expect = json.dumps(list(self.expect))
        timeout = duration_text(self.timeout_s)
        return f"{{name: {self.name}, url: {json.dumps(self.url)}, rate_hz: 5.0, timeout: {timeout}, expect: {expect}}}"


def extension_lines(view: View, replaced: Sequence[Replaced], probers: Sequence[Prober]) -> list[str]:
    """Return the entry of `extensions`, indented as the item of a list at the left edge plus two."""
    acting = [step for step in view.method if step.type == "action" or step.effect in ("lasting", "momentary", "gone")]
    lines = [
        "- name: chaoslab",
        "  kind: experiment",
        f"  domain: {_domain(acting, replaced)}",
        f"  {MARK} who and what can be hurt, at worst? One sentence; this one is made of what the steps say",
        f"  blast_radius: {json.dumps(_blast_radius(acting), ensure_ascii=False)}",
        f"  {MARK} is this what it acts on? The lock, the allow-list and the production guard go by it",
        "  targets:",
        *[
            f"    - {{kind: {kind}, address: {json.dumps(address)}}}"
            for kind, address in _targets(view, acting, replaced)
        ],
    ]
    lines += _objective_lines(view, probers)
    return ["  " + line for line in lines]


def probers_of(view: View) -> list[Prober]:
    """Return a prober for every address that a probe of the hypothesis only asks, and the same question once."""
    found: dict[str, Prober] = {}
    for step in view.probes:
        provider = step.provider
        url = provider.get("url")
        plain = step.kind == "http" and str(provider.get("method", "GET")).upper() == "GET"
        if not plain or provider.get("headers") or provider.get("arguments") or not isinstance(url, str):
            continue
        statuses = _statuses(view, step.data.get("tolerance"))
        if statuses and url.startswith(("http://", "https://", "${")):
            asked = (url, _timeout_s(view, provider.get("timeout")), statuses)
            if all(prober[1:] != asked for prober in found.values()):
                name = _name(step.name, taken=found)
                found[name] = Prober(name, *asked)
    return list(found.values())


def _objective_lines(view: View, probers: Sequence[Prober]) -> list[str]:
    if not probers:
        missing = "no probe asks an address that could be asked all the time: add `probers` and `objectives`"
        return [f"  {MARK} {missing}"]
    lines = [
        f"  {MARK} what must be reached? The limits are those of the hypothesis, the share is a guess",
        "  objectives:",
    ]
    first = probers[0]
    lines.append(f"    availability: {{at_least: 95%, of: {first.name}}}")
    lines.append(f"    latency_p99: {{at_most: {duration_text(first.timeout_s)}, of: {first.name}}}")
    lines.append(f"    recovery: {{at_most: {duration_text(max(10.0, pauses_of(view)))}, of: {first.name}}}")
    return [*lines, "  probers:", *[f"    - {prober.line}" for prober in probers]]


def pauses_of(view: View) -> float:
    """Return for how long the method pauses in all, in seconds."""
    total = 0.0
    for step in view.method:
        pauses = step.declared.get("pauses")
        for key in ("before", "after"):
            value = view.filled(pauses.get(key)) if isinstance(pauses, dict) else None
            total += value if isinstance(value, int | float) and not isinstance(value, bool) else 0
    return max(0.0, min(total, 24 * 3600.0))


def _domain(acting: Sequence[Step], replaced: Sequence[Replaced]) -> str:
    if replaced:
        return replaced[0].by.function.split(".")[1]
    for step in acting:
        top = step.function.partition(".")[0]
        if top in _DOMAINS:
            return _DOMAINS[top]
    return "other"


def _blast_radius(acting: Sequence[Step]) -> str:
    told = []
    for step in acting:
        arguments = {key: value for key, value in step.arguments.items() if isinstance(value, str | int)}
        narrowed = [f"{key} {arguments[key]}" for key in _telling(step) if key in arguments]
        what = f"{step.told} {step.known.what}" if step.known and step.known.what else f"what {step.told} does"
        told.append(what + (f" ({', '.join(narrowed)})" if narrowed else ""))
    return "; ".join(dict.fromkeys(told)) or "nothing is changed"


def _telling(step: Step) -> tuple[str, ...]:
    known = (*step.known.narrow, *step.known.same) if step.known else ()
    return tuple(dict.fromkeys((*known, "name", "ns", "service", "host", "cluster")))


def _targets(view: View, acting: Sequence[Step], replaced: Sequence[Replaced]) -> list[tuple[str, str]]:
    ours = {step.by.address: (step.by.kind, step.by.address) for step in replaced}
    targets = dict(ours)
    mapped = [one.step for one in replaced]
    for step in acting:
        if step in mapped or step.is_ours:
            continue
        parts = [str(step.arguments[key]) for key in _telling(step) if isinstance(step.arguments.get(key), str | int)]
        address = " ".join(part for part in parts if part) or step.told
        targets.setdefault(address, (_kind(step), address))
    if not targets:
        targets["nothing"] = ("service", view.spec.name)
    return list(targets.values())


def _kind(step: Step) -> str:
    parts = step.function.split(".")
    word = parts[1] if len(parts) > 2 else "service"
    return word if re.fullmatch(r"[a-z][a-z0-9-]*", word) else "service"


def _statuses(view: View, tolerance: Any) -> tuple[int, ...]:
    value = view.filled(tolerance)
    if isinstance(value, dict) and value.get("type") in ("jsonpath", "regex"):
        value = 200
    listed = value if isinstance(value, list) else [value]
    return tuple(item for item in listed if isinstance(item, int) and not isinstance(item, bool) and 100 <= item <= 599)


def _timeout_s(view: View, timeout: Any) -> float:
    value = view.filled(timeout)
    value = value[-1] if isinstance(value, list) and value else value
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 3600 else 3.0


def _name(text: str, *, taken: dict[str, Prober]) -> str:
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", text).strip("-")[:50]
    plain = plain if re.match(r"[A-Za-z]", plain) else f"probe-{plain}".rstrip("-")
    return plain if plain not in taken else f"{plain}-{len(taken) + 1}"
