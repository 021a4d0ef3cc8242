"""Probes that judge, while the exercise runs, the samples of a prober and what a service tells of itself."""

import math
from collections.abc import Callable
from typing import Any

from chaoslab.core.errors import BadUsage, ChaoslabError
from chaoslab.core.samples import Sample
from chaoslab.core.stalls import Stalls, at_best
from chaoslab.core.suggest import hint_for
from chaoslab.core.units import format_duration
from chaoslab.http.figures import NoAnswer, fetched, field_of, labels_of, total_of
from chaoslab.runtime.arguments import seconds, share
from chaoslab.runtime.sampling import Sampler
from chaoslab.runtime.session import Session, current
from chaoslab.runtime.steps import step

MINIMUM = 5
"""Fewer samples say nothing."""
_POLL_S = 0.02
_LOOK_S = 0.05
_SETTLED_WITHIN_S = 60.0
"""A prober that has not told so long what became of a question is broken."""


@step("verify", at_least=share)
def serving(prober: str, last: str = "2s", at_least: str = "100%") -> bool:
    """Say whether a service answers well: enough samples of the last while are good.

    The answers to all questions that were due in that while are awaited, because those that have not come may be the
    bad ones. A prober that does not run for so long yet is given the time, and so is a service whose fault was just
    ended by `undo`, or that has just `recovered`: how it was under the fault does not count. A stretch that is not good
    enough only because the prober itself stood still tells nothing: the next one is looked at, for a minute at most.

    Args:
        prober: its name in the file
        last: how far to look back
        at_least: the share of good samples that is enough

    Raises:
        BadUsage: an argument makes no sense, or there is no such prober.
        ChaoslabError: there are too few samples to judge by.
        Aborted: the run is to stop.
    """
    last_s, wanted = seconds("last", last), share("at_least", at_least)
    session = current()
    sampler = _sampler(session, prober)
    called_s = session.now_s()
    _wait(session, lambda: sampler.first() is not None, prober)
    first = sampler.first()
    assert first is not None
    end_s = max(called_s, first.at_s + last_s, sampler.horizon_s + last_s)
    until_s = end_s + _SETTLED_WITHIN_S
    while True:
        samples = _settled(session, sampler, end_s - last_s, end_s)
        if _share(samples) >= wanted:
            return True
        stalls = Stalls(sampler.stalls)
        if end_s >= until_s or _share([at_best(sample, stalls) for sample in samples]) < wanted:
            return False
        end_s += last_s


def _settled(session: Session, sampler: Sampler, begin_s: float, end_s: float) -> list[Sample]:
    """Return all samples of a stretch, once all are there.

    Raises:
        ChaoslabError: they are too few to judge by.
    """
    _wait(session, lambda: sampler.settled_s >= end_s, sampler.name)
    samples = [sample for sample in sampler.since(begin_s) if sample.at_s < end_s]
    if len(samples) < MINIMUM:
        raise ChaoslabError(
            f"prober {sampler.name} took {len(samples)} samples within {format_duration(end_s - begin_s)}, and at "
            f"least {MINIMUM} are needed to judge by; look further back, or ask more often"
        )
    return samples


def _share(samples: list[Sample]) -> float:
    return sum(sample.good for sample in samples) / len(samples)


@step("recover")
def recovered(prober: str, within: str = "30s", stable: str = "1s") -> bool:
    """Wait until a service answers well again, and goes on to do so for a while.

    Only samples from now on count: good ones from before the fault was felt are no recovery. How long the recovery took
    is not decided here but by the judge, from all samples.

    Args:
        prober: its name in the file
        within: how long to wait at most
        stable: how long every sample must be good

    Raises:
        BadUsage: an argument makes no sense, or there is no such prober.
        ChaoslabError: it did not recover in time.
        Aborted: the run is to stop.
    """
    within_s, stable_s = seconds("within", within), seconds("stable", stable)
    session = current()
    sampler = _sampler(session, prober)
    begin_s = session.now_s()
    while not _is_stable(sampler, begin_s=begin_s, now_s=session.now_s(), stable_s=stable_s):
        if session.now_s() - begin_s >= within_s:
            raise ChaoslabError(
                f"{prober} was not good for {format_duration(stable_s)} on end within {format_duration(within_s)}; "
                + _last_trouble(sampler.since(begin_s))
            )
        session.sleep(_POLL_S)
    sampler.horizon_s = max(begin_s, session.now_s() - stable_s)
    return True


def _bound(name: str, value: float | str) -> float | None:
    if value == "":
        return None
    try:
        return float(value)
    except ValueError:
        raise BadUsage(f"{name}: {value!r} is no number") from None


@step("verify", at_least=_bound, at_most=_bound, grows=_bound)
def metric(
    url: str,
    name: str,
    labels: str = "",
    at_least: float | str = "",
    at_most: float | str = "",
    grows: float | str = "",
    within: str = "10s",
    stable: str = "0s",
    timeout: str = "1s",
    figure: str = "",
) -> dict[str, Any]:
    """Wait until a figure that a service tells in Prometheus's text format is as expected, and stays so for a while.

    Such as `resilience4j_circuitbreaker_state` with `name=downstream,state=open`, at_least 1: a circuit breaker opened.

    Args:
        url: where the figures are, such as `http://127.0.0.1:8082/actuator/prometheus`
        name: of the metric
        labels: `name=value,name=value`; all samples that have these count together
        at_least: it is as expected when it is this or more
        at_most: it is as expected when it is this or less
        grows: it is as expected when it has grown by this since the step began
        within: how long to wait at most
        stable: how long it must be as expected at a stretch
        timeout: how long one answer may take
        figure: under this name the seconds that it took are told in the report

    Raises:
        BadUsage: an argument makes no sense.
        ChaoslabError: it was not as expected in time; says what it was.
        Aborted: the run is to stop.
    """
    bounds = [_bound(*pair) for pair in (("at_least", at_least), ("at_most", at_most), ("grows", grows))]
    if bounds == [None, None, None]:
        raise BadUsage("metric: give at_least, at_most or grows, or everything is as expected")
    wanted, timeout_s = labels_of(labels), seconds("timeout", timeout)

    def value() -> float | None:
        return total_of(fetched(url, timeout_s=timeout_s).decode(errors="replace"), name, wanted)

    look = _look_at(value, *bounds)
    return _until_told(look, f"{name}{{{labels}}}", within=within, stable=stable, figure=figure)


@step("verify")
def told(
    url: str,
    field: str,
    equals: str,
    within: str = "10s",
    stable: str = "0s",
    timeout: str = "1s",
    figure: str = "",
) -> dict[str, Any]:
    """Wait until a service says in JSON what is expected, and goes on to say so for a while.

    Args:
        url: such as `http://127.0.0.1:8082/actuator/health`; its status does not matter
        field: where in the answer, such as `components.downstream.status`
        equals: what must stand there
        within: how long to wait at most
        stable: how long it must stand there at a stretch
        timeout: how long one answer may take
        figure: under this name the seconds that it took are told in the report

    Raises:
        BadUsage: an argument makes no sense.
        ChaoslabError: it did not say so in time; says what it said.
        Aborted: the run is to stop.
    """
    timeout_s = seconds("timeout", timeout)

    def look() -> tuple[bool, str]:
        found = field_of(fetched(url, timeout_s=timeout_s), field)
        return str(found) == equals, f"it was {found!r}"

    return _until_told(look, f"{field} of {url}", within=within, stable=stable, figure=figure)


def _look_at(
    value: Callable[[], float | None], low: float | None, high: float | None, growth: float | None
) -> Callable[[], tuple[bool, str]]:
    """Return what says whether a value is as expected, and what it was."""
    first: list[float] = []

    def look() -> tuple[bool, str]:
        found = value()
        if found is None:
            return False, "there is no such metric"
        first.append(found)
        grown = found - first[0]
        good = (low is None or found >= low) and (high is None or found <= high)
        return good and (growth is None or grown >= growth > 0), f"it was {found:g}, {grown:g} more than at first"

    return look


def _until_told(
    look: Callable[[], tuple[bool, str]], what: str, *, within: str, stable: str, figure: str
) -> dict[str, Any]:
    within_s, stable_s = seconds("within", within), seconds("stable", stable)
    session = current()
    begin_s, good_since_s, said = session.now_s(), math.inf, "nothing was told"
    while True:
        asked_s = session.now_s()
        try:
            good, said = look()
        except NoAnswer as silent:
            good, said = False, str(silent)
        good_since_s = min(good_since_s, asked_s) if good else math.inf
        if good and asked_s - good_since_s >= stable_s:
            took_s = round(good_since_s - begin_s, 6)
            if figure:
                session.figure(figure, took_s, "s")
            return {"as_expected_after_s": took_s, "said": said}
        if session.now_s() - begin_s >= within_s + stable_s:
            raise ChaoslabError(f"{what} was not as expected within {format_duration(within_s)}: {said}")
        session.sleep(_LOOK_S)


def _is_stable(sampler: Sampler, *, begin_s: float, now_s: float, stable_s: float) -> bool:
    """Say whether all that was due lately is answered and good, for long enough and often enough."""
    until_s = min(sampler.settled_s, now_s)  # settled may reach to the next question, which is not yet due
    samples = sampler.since(begin_s)
    since_s = max((sample.at_s for sample in samples if not sample.good), default=begin_s)
    good = sum(since_s <= sample.at_s < until_s and sample.good for sample in samples)
    return until_s - since_s > stable_s and good >= MINIMUM


def _last_trouble(samples: list[Sample]) -> str:
    bad = [sample for sample in samples if not sample.good]
    return f"the last bad answer was: {bad[-1].note}" if bad else "it took too few samples"


def _sampler(session: Session, prober: str) -> Sampler:
    if prober not in session.samplers:
        hint = hint_for(prober, session.samplers) if session.samplers else "the file declares none"
        raise BadUsage(f"there is no prober '{prober}'; {hint}".rstrip("; "))
    return session.sampler(prober)


def _wait(session: Session, is_there: Callable[[], bool], prober: str) -> None:
    """Wait for what a prober is about to tell.

    Raises:
        ChaoslabError: it tells nothing.
    """
    until_s = session.now_s() + _SETTLED_WITHIN_S
    while not is_there():
        if session.now_s() >= until_s:
            raise ChaoslabError(f"prober {prober} has told nothing for {format_duration(_SETTLED_WITHIN_S)}")
        session.sleep(_POLL_S)
