"""Probes that judge the samples of a prober while the exercise runs."""

from collections.abc import Callable

from chaoslab.core.errors import BadUsage, ChaoslabError
from chaoslab.core.record import Sample
from chaoslab.core.suggest import hint_for
from chaoslab.core.units import format_duration
from chaoslab.runtime.arguments import seconds, share
from chaoslab.runtime.sampling import Sampler
from chaoslab.runtime.session import Session, current
from chaoslab.runtime.steps import step

MINIMUM = 5
"""Fewer samples say nothing."""
_POLL_S = 0.02
_SETTLED_WITHIN_S = 60.0
"""A prober that has not told so long what became of a question is broken."""


@step("verify")
def serving(prober: str, within: str = "2s", at_least: str = "100%") -> bool:
    """Say whether a service answers well: enough samples of the last while are good.

    The answers to all questions that were due in that while are awaited, because those that have not come may be the
    bad ones. A prober that does not run for so long yet is given the time.

    Args:
        prober: its name in the file
        within: how far to look back
        at_least: the share of good samples that is enough

    Raises:
        BadUsage: an argument makes no sense, or there is no such prober.
        ChaoslabError: there are too few samples to judge by.
        Aborted: the run is to stop.
    """
    within_s, wanted = seconds("within", within), share("at_least", at_least)
    session = current()
    sampler = _sampler(session, prober)
    called_s = session.now_s()
    _wait(session, lambda: sampler.first() is not None, prober)
    first = sampler.first()
    assert first is not None
    end_s = max(called_s, first.at_s + within_s)
    _wait(session, lambda: sampler.settled_s >= end_s, prober)
    samples = [sample for sample in sampler.since(end_s - within_s) if sample.at_s < end_s]
    if len(samples) < MINIMUM:
        raise ChaoslabError(
            f"prober {prober} took {len(samples)} samples within {format_duration(within_s)}, and at least {MINIMUM} "
            "are needed to judge by; look further back, or ask more often"
        )
    return sum(sample.good for sample in samples) / len(samples) >= wanted


@step("recover")
def recovered(prober: str, timeout: str = "30s", stable: str = "1s") -> bool:
    """Wait until a service answers well again, and goes on to do so for a while.

    Only samples from now on count: good ones from before the fault was felt are no recovery. How long the recovery took
    is not decided here but by the judge, from all samples.

    Args:
        prober: its name in the file
        timeout: how long to wait at most
        stable: how long every sample must be good

    Raises:
        BadUsage: an argument makes no sense, or there is no such prober.
        ChaoslabError: it did not recover in time.
        Aborted: the run is to stop.
    """
    timeout_s, stable_s = seconds("timeout", timeout), seconds("stable", stable)
    session = current()
    sampler = _sampler(session, prober)
    begin_s = session.now_s()
    while not _is_stable(sampler, begin_s=begin_s, now_s=session.now_s(), stable_s=stable_s):
        if session.now_s() - begin_s >= timeout_s:
            raise ChaoslabError(
                f"{prober} was not good for {format_duration(stable_s)} on end within {format_duration(timeout_s)}; "
                + _last_trouble(sampler.since(begin_s))
            )
        session.sleep(_POLL_S)
    return True


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
