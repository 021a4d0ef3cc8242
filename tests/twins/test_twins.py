"""Each experiment of the platform passes on the service, and finds out its twin that is not resilient."""

import pytest
from services import service

from chaoslab.runtime.proxyclient import ProxyClient

SHORT = {"duration": "1500ms"}
BRIEF = {"duration": "100ms"}
HASTY = {**BRIEF, "patience": "4s", "breaker_patience": "2s"}
BROKEN_BY_OTHERS = ("downstream-partitioned", "downstream-failing", "downstream-slow", "redis-lost")


def objectives(report):
    return {objective["name"]: objective["outcome"] for objective in report["objectives"]}


def readers_suffered(report):
    """Say whether they were not served, or had to wait: what hangs is answered when the fault is over."""
    found = objectives(report)
    return "missed" in {found["availability"], found["latency_p99"]}


def step(report, name):
    return next(step for step in report["steps"] if step["name"] == name)


def on_twin(lab, **variables):
    return {"service_url": lab["twin"]["url"], **variables}


def nothing_is_left(lab, report):
    assert report["residue"] == []
    controls = [lab["proxy"]["control"], lab["downstream"]["proxy"], lab["downstream"]["http_proxy"]]
    assert [ProxyClient(control).toxics() for control in controls] == [{}, {}, {}]


@pytest.mark.parametrize("name", BROKEN_BY_OTHERS)
def test_a_breaker_opens_sheds_and_closes_again(run, lab, name):
    code, report, said = run(name, **BRIEF)
    assert code == 0, said
    assert set(objectives(report).values()) == {"met"}
    assert {step(report, f"breaker-{what}")["outcome"] for what in ("opens", "sheds", "closes")} == {"ok"}
    assert {"breaker_opened_after_s", "breaker_closed_after_s"} <= set(report["figures"])
    nothing_is_left(lab, report)


@pytest.mark.parametrize("name", BROKEN_BY_OTHERS)
def test_without_a_breaker_it_fails(run, lab, name):
    code, report, said = run(name, **on_twin(lab, **HASTY))
    assert code == 10, said
    assert step(report, "breaker-opens")["outcome"] == "failed"
    assert "it was 0" in step(report, "breaker-opens")["error"]
    assert readers_suffered(report)
    assert [fault["effective_s"] is not None for fault in report["faults"]] == [True], "it was hit, and did not bear it"
    nothing_is_left(lab, report)


def test_connections_broken_off_are_not_the_readers_trouble(run, lab):
    code, report, said = run("downstream-aborting", **SHORT)
    assert code == 0, said
    # What both keep for a quarter of a second hides half of the breaks by chance; all of them it cannot hide.
    code, report, said = run("downstream-aborting", **on_twin(lab, share="100%", **SHORT))
    assert code == 10, said
    assert readers_suffered(report)
    nothing_is_left(lab, report)


@pytest.mark.parametrize("name", ["database-blocked", "database-reset", "connection-exhaustion", "table-locked"])
def test_without_a_database_and_memory_readers_are_not_served(run, lab, name):
    code, report, said = run(name, **on_twin(lab, duration="3s"))
    assert code == 10, said
    assert readers_suffered(report)
    nothing_is_left(lab, report)


@pytest.mark.parametrize("name", ["database-slow", "slow-queries"])
def test_without_a_pool_latency_is_multiplied(run, lab, name):
    """Every request makes a connection, which takes several round trips."""
    code, report, said = run(name, **on_twin(lab, **SHORT))
    assert code == 10, said
    assert objectives(report)["latency_p99"] == "missed"
    nothing_is_left(lab, report)


def test_who_gets_what_others_leave_of_the_processor_is_starved(run, lab, starved):
    """Nobody gave it a share of its own, so a busy neighbour takes it all, and what waits grows with the time."""
    code, report, said = run("cpu-load", service_url=starved, share="100%", duration="4s")
    assert code == 10, said
    assert readers_suffered(report)
    nothing_is_left(lab, report)


def test_who_lives_on_memory_that_happens_to_be_free_does_not_bear_others_taking_it(run, lab, small_machine):
    """Nobody runs out of it, since the fault keeps a floor; but one of the two does nothing below its watermark."""
    wanted = {"size": "512MiB", "floor": "64MiB", "prefix": small_machine.prefix(), **SHORT}
    with service(lab, small_machine.join) as url:
        code, report, said = run("memory-pressure", service_url=url, **wanted)
    assert code == 0, said
    spare = small_machine.free_mib() - 300
    with service(lab, small_machine.join, "--fragile", "--spare", f"{spare}MiB") as url:
        code, report, said = run("memory-pressure", service_url=url, **wanted)
    assert code == 10, said
    assert objectives(report)["availability"] == "missed"
    assert [fault["undone_by"] for fault in report["faults"]] == ["run"], "it did not step aside before its time"
    nothing_is_left(lab, report)


def test_whom_nobody_starts_again_stays_away(run, lab):
    pid_file = lab["twin"]["pid_file"]
    code, report, said = run("service-killed", **on_twin(lab, pid_file=pid_file, patience="2s"))
    assert code == 10, said
    assert "the last bad answer was: refused" in step(report, "service-recovers")["error"]


def test_who_does_not_answer_before_is_not_judged(run, lab):
    """Nobody can say what the fault did to a service that was not well without it."""
    nobody = {"service_url": lab["downstream"]["url"], "health_path": "/nothing"}
    code, report, _ = run("downstream-partitioned", retry_baseline=False, **nobody)
    assert code == 11
    assert report["faults"] == []
