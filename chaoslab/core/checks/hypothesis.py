"""Rules about the steady state: whether anything is proved at all, and when it is asked."""

from __future__ import annotations

from collections.abc import Iterator

from chaoslab.core.checks.finding import Told
from chaoslab.core.checks.view import View
from chaoslab.core.toolkit import HYPOTHESIS

_BITES = ("lasting", "momentary", "gone")
_CHANGING = ("PUT", "PATCH", "DELETE")
_AT_ONCE = ("chaosk8s.node.actions.drain_nodes",)
_LATER = ("chaosk8s", "chaosaws", "chaosgcp", "chaosazure", "pdchaosazure", "chaoscf", "chaosoci", "chaosswarm")
"""Platforms that answer before they have done what they were asked."""


def nothing_proved(view: View) -> Iterator[Told]:
    """Find files that can never fail, because they ask nothing."""
    hypothesis = view.document.get(HYPOTHESIS)
    acts = any(step.type == "action" for step in view.method)
    if view.probes or not acts:
        return
    if not hypothesis:
        message = "there is no steady-state-hypothesis: the run can never deviate, whatever happens"
        if view.spec.extension is not None:
            message = "there is no steady-state-hypothesis: whether all was well before is unknown, so no run can pass"
        at = (HYPOTHESIS,) if HYPOTHESIS in view.document else ()
        yield Told(at, "no-hypothesis", message, "say what must hold before and after the fault")
    elif isinstance(hypothesis, dict) and "probes" in hypothesis:
        yield Told((HYPOTHESIS, "probes"), "no-probes", "a hypothesis without probes checks nothing", "add some")


def probes_that_change(view: View) -> Iterator[Told]:
    """Find probes of the hypothesis that act: they do so before and after every run."""
    for step in view.probes:
        if step.type == "action" or step.is_ours:
            continue
        if step.effect in (*_BITES, "bounded", "undo"):
            message = f"{step.told} {step.known.what if step.known else 'acts'}, before and after every run"
        elif step.known is None and step.function and ".actions." in step.function:
            message = f"{step.told} is an action, and a hypothesis is asked before and after every run"
        elif step.kind == "http" and str(step.provider.get("method", "GET")).upper() in _CHANGING:
            message = f"a {str(step.provider['method']).upper()} changes something, before and after every run"
        else:
            continue
        yield Told(step.path, "probe-changes", message, "ask with a probe that only looks; act in the method")


def asked_too_soon(view: View) -> Iterator[Told]:
    """Find faults after which the hypothesis is asked in the same instant."""
    if not view.method or not view.probes:
        return
    last = view.method[-1]
    pauses = last.data.get("pauses")
    is_later = last.function.partition(".")[0] in _LATER and last.function not in _AT_ONCE
    if last.effect not in _BITES or not is_later or (isinstance(pauses, dict) and pauses.get("after")):
        return
    stale = next((step for step in view.probes if step.known is not None and step.known.stale), None)
    remedy = "add `pauses: {after: 10}`, or a probe that waits"
    if stale is not None:
        message = f"the hypothesis is asked at once, and {stale.told} may answer from a status older than the fault"
        yield Told(last.path, "stale-status", message, remedy)
    else:
        message = f"the hypothesis is asked in the instant after {last.told}: what breaks a moment later is not seen"
        yield Told(last.path, "no-pause", message, remedy)


def strategy(view: View) -> Iterator[Told]:
    """Find strategies under which the hypothesis cannot fail the run, or lets it begin when all is lost already."""
    runtime = view.document.get("runtime")
    hypothesis = runtime.get("hypothesis") if isinstance(runtime, dict) else None
    name = hypothesis.get("strategy") if isinstance(hypothesis, dict) else None
    path = ("runtime", "hypothesis", "strategy")
    if name == "skip":
        yield Told(path, "hypothesis-never-fails", "the hypothesis is never asked", "remove the line")
    elif name == "during-method-only":
        message = "a hypothesis that fails during the method does not fail the run"
        yield Told(path, "hypothesis-never-fails", message, "write `continuously`, and stop on the first failure")
    elif name == "after-method-only":
        message = "the fault is injected also when the steady state is not met to begin with"
        yield Told(path, "no-baseline", message, "remove the line")


RULES = (nothing_proved, probes_that_change, asked_too_soon, strategy)
