"""Probers and tripwires that a file declares look on for as long as it runs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from engine_build import events_of, experiment, ours, probe, run_ours, toy

from chaoslab.core.errors import BadFile
from chaoslab.engine.tripwires import ProberSense
from chaoslab.runtime.session import Session

GOOD = probe("say", name="steady", word="steady", returns=True)


class Web:
    """A server that answers as it is told."""

    def __init__(self) -> None:
        """Listen on a free port."""
        web = self
        self.status = 200

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self.send_response(web.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()


@pytest.fixture
def web() -> Iterator[Web]:
    """Serve for one test."""
    web = Web()
    yield web
    web.server.shutdown()
    web.server.server_close()


def test_a_prober_samples_from_the_baseline_to_the_end(tmp_path: Path, web: Web) -> None:
    built = ours(
        experiment(toy("blot", file=str(tmp_path / "blot")), toy("sleep", seconds=0.5), probes=[GOOD]),
        probers=[{"name": "api", "url": "${url}", "rate_hz": 50}],
        objectives={"availability": "1%"},
    ) | {"configuration": {"url": "lab:service.url?"}}
    outcome = run_ours(built, tmp_path, f"url={web.url}")
    assert outcome.exit_code == 0, outcome.verdict.reasons
    assert len(outcome.record.samples["api"]) >= 20
    assert threading.active_count() < 12


def test_the_rate_of_a_prober_may_be_a_variable(tmp_path: Path, web: Web) -> None:
    built = ours(
        experiment(toy("sleep", seconds=0.5), probes=[GOOD]),
        probers=[{"name": "api", "url": web.url, "rate_hz": "${rate}"}],
    ) | {"configuration": {"rate": 5.0}}
    assert len(run_ours(built, tmp_path / "fast", "rate=50").record.samples["api"]) >= 20
    with pytest.raises(BadFile, match="rate_hz must be above 0"):
        run_ours(built, tmp_path / "never", "rate=0")
    built["configuration"]["rate"] = "fast"
    with pytest.raises(BadFile, match="prober api: rate_hz: 'fast' is no number"):
        run_ours(built, tmp_path / "odd")


def test_a_prober_without_an_address_is_left_out_and_said_so(tmp_path: Path) -> None:
    built = ours(
        experiment(toy("say", word="a"), probes=[GOOD]),
        probers=[{"name": "api", "url": "${url}"}],
        tripwires=[{"prober": "api", "bad_for": "1s"}],
    ) | {"configuration": {"url": "", "source": "here"}}
    outcome = run_ours(built, tmp_path)
    assert outcome.exit_code == 0
    assert [(f.code, f.severity) for f in outcome.record.findings] == [("prober-left-out", "note")]


def test_a_tripwire_on_a_prober_stops_the_run_and_undoes(tmp_path: Path, web: Web) -> None:
    blot = tmp_path / "blot"
    web.status = 503
    built = ours(
        experiment(toy("blot", file=str(blot)), toy("sleep", seconds=120.0), probes=[GOOD]),
        probers=[{"name": "api", "url": web.url, "rate_hz": 50}],
        tripwires=[{"prober": "api", "bad_for": "300ms"}],
    )
    outcome = run_ours(built, tmp_path)
    assert outcome.record.duration_s < 60.0
    assert outcome.exit_code != 0
    assert outcome.record.interruption == "tripwire api"
    assert [finding.code for finding in outcome.record.findings] == ["tripwire"]
    assert not blot.exists()


@pytest.mark.parametrize("func", ["is_blotted", "fail"])
def test_a_tripwire_on_a_probe_stops_the_run_and_undoes(tmp_path: Path, func: str) -> None:
    blot = tmp_path / "blot"
    call = {"module": "engine_toys", "func": func}
    arguments = {"file": "${gone}"} if func == "is_blotted" else {}
    built = ours(
        experiment(toy("blot", file=str(blot)), toy("sleep", seconds=120.0), probes=[GOOD]),
        tripwires=[{"probe": {**call, "arguments": arguments}, "every": "50ms", "bad_for": "100ms"}],
    ) | {"configuration": {"gone": str(tmp_path / "gone")}}
    outcome = run_ours(built, tmp_path)
    assert outcome.record.interruption == f"tripwire engine_toys.{func}"
    assert outcome.record.duration_s < 60.0
    assert not blot.exists()


@pytest.mark.parametrize("where", ["hypothesis", "method"])
def test_a_step_that_breaks_because_the_run_is_stopped_was_aborted(tmp_path: Path, where: str) -> None:
    breaks = toy("break_when_stopped", name="breaks", kind="probe")
    probes = [{**breaks, "tolerance": True}] if where == "hypothesis" else [GOOD]
    method = [breaks] if where == "method" else [toy("say", word="a")]
    call = {"module": "engine_toys", "func": "fail"}
    tripwires = [{"probe": call, "every": "20ms", "bad_for": "50ms"}]
    outcome = run_ours(ours(experiment(*method, probes=probes), tripwires=tripwires), tmp_path)
    [step] = [step for step in outcome.record.steps if step.name == "breaks"]
    assert (step.outcome, step.error) == ("aborted", "tripwire engine_toys.fail")


def test_a_tripwire_that_is_bad_for_a_moment_only_stops_nothing(tmp_path: Path) -> None:
    file = tmp_path / "count"
    call = {"module": "engine_toys", "func": "count_up", "arguments": {"bad": [2, 5], "file": str(file)}}
    built = ours(
        experiment(toy("wait_for", file=str(file), lines=8), probes=[GOOD]),
        tripwires=[{"probe": call, "every": "20ms", "bad_for": "2s"}],
    )
    assert run_ours(built, tmp_path).exit_code == 0


def test_what_is_told_is_what_the_run_log_has(tmp_path: Path) -> None:
    told: list[Any] = []
    outcome = run_ours(ours(experiment(toy("say", word="a"), probes=[GOOD])), tmp_path, tell=told.append)
    assert told == events_of(outcome)


def test_who_tells_badly_does_not_disturb_the_run(tmp_path: Path) -> None:
    def broken(event: Any) -> None:
        raise BrokenPipeError(32, "Broken pipe")

    assert run_ours(ours(experiment(toy("say", word="a"), probes=[GOOD])), tmp_path, tell=broken).exit_code == 0


@pytest.mark.parametrize(
    ("note", "stalled", "in_doubt"), [("timeout", True, True), ("timeout", False, False), ("503", True, False)]
)
def test_a_prober_that_was_held_up_itself_cannot_say_that_all_was_bad(
    tmp_path: Path, note: str, stalled: bool, in_doubt: bool
) -> None:
    session = Session("r", tmp_path / "run", state=tmp_path / "state")
    session.start({"id": "r"})
    sampler = session.sampler("api")
    sense = ProberSense(session, sampler)
    for number in range(1, 11):
        sampler.add(session.now_s() + number, 1.0, False, note)
    if stalled:
        sampler.stalled(session.now_s(), session.now_s() + 10)
    assert sense.bad_for_s() > 5
    assert sense.in_doubt() == in_doubt
    session.close("completed")
