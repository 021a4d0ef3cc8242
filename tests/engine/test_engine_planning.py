"""Plans: everything resolved, every undo named, what cannot be promised said, nothing touched."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from engine_build import control, experiment, ours, probe, process, toy

from chaoslab.core.errors import BadFile, BadUsage, Refused
from chaoslab.core.plan import Plan
from chaoslab.core.spec import parse_spec
from chaoslab.engine.opening import Wishes
from chaoslab.engine.runner import plan_exercise
from chaoslab.engine.variables import given_of

GOOD = probe("say", name="steady", word="steady", returns=True)


def plan(built: dict[str, Any], *pairs: str) -> Plan:
    """Plan a file written in lines, so that problems have places."""
    spec = parse_spec(json.dumps(built, indent=1), "toy.json")
    return plan_exercise(spec, given_of(pairs), Wishes(reports=Path("nowhere"))).plan


def test_a_plan_names_target_undo_and_guards_and_touches_nothing(tmp_path: Path, heard: list[str]) -> None:
    blot = tmp_path / "blot"
    put = toy("blot", name="put", file="${where}", ttl="90s")
    built = ours(experiment(put, probes=[GOOD], configuration={"where": "x"}), guards={"allow": ["box"]})
    made = plan(built, f"where={blot}")
    assert not blot.exists()
    assert heard == []
    assert [(step.number, step.name, step.phase) for step in made.steps] == [
        (1, "steady", "baseline"),
        (2, "put", "inject"),
        (3, "steady", "verify"),
    ]
    fault = made.steps[1].fault
    assert fault is not None
    assert (fault.target, fault.ttl_s, fault.undo) == (f"file {blot}", 90.0, "the file is removed.")
    assert made.steps[1].arguments["file"] == str(blot)
    assert [(target.kind, target.address) for target in made.targets] == [("toy", "box")]
    assert {guard.name for guard in made.guards} == {"allow", "free-disk", "lock", "residue"}
    assert any("kill -9" in promise for promise in made.promises)
    assert made.warnings == ()


def test_a_plan_tells_who_asks_and_what_stops_the_run(tmp_path: Path) -> None:
    probers = [
        {"name": "reads", "url": "${service}/a", "rate_hz": "${rate}"},
        {"name": "absent", "url": "${nowhere}"},
        {"name": "lag", "probe": {"module": "engine_toys", "func": "say", "arguments": {"word": "x"}}},
    ]
    put = toy("blot", name="put", file=str(tmp_path / "blot"), ttl="90s")
    variables = {"service": "http://127.0.0.1:1", "rate": 7, "nowhere": ""}
    built = experiment(put, probes=[GOOD], configuration=variables)
    made = plan(ours(built, probers=probers, tripwires=[{"prober": "reads", "bad_for": "30s"}]))
    assert [(watch.kind, watch.detail) for watch in made.watching] == [
        ("prober", "reads: GET http://127.0.0.1:1/a, 7 a second, each at most 1s"),
        ("prober", "lag: engine_toys.say, 2 a second, each at most 5s"),
        ("tripwire", "reads: bad for 30s stops the run"),
    ]


def test_a_digest_changes_with_the_world_and_not_with_passwords(tmp_path: Path) -> None:
    built = ours(
        experiment(toy("blot", file="${where}"), probes=[GOOD], configuration={"where": "x", "dsn": ""}),
        targets=[{"kind": "postgres", "address": "${dsn}"}],
    )
    where = f"where={tmp_path / 'a'}"
    one = plan(built, where, "dsn=postgresql://u:secret1@h:5432/d")
    assert one.digest == plan(built, where, "dsn=postgresql://u:secret2@h:5432/d").digest
    assert one.digest != plan(built, where, "dsn=postgresql://u:secret1@other:5432/d").digest
    assert one.digest != plan(built, f"where={tmp_path / 'b'}", "dsn=postgresql://u:secret1@h:5432/d").digest
    assert "secret1" not in json.dumps(one.to_json())
    assert [target.address for target in one.targets] == ["h:5432/d"]


def test_a_target_that_is_not_there_refuses(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="step put: there is no folder"):
        plan(ours(experiment(toy("blot", name="put", file=str(tmp_path / "no" / "blot")), probes=[GOOD])))


def test_a_target_that_a_step_finds_is_known_later() -> None:
    put = toy("blot", name="put", file="${find}")
    made = plan(ours(experiment(toy("say", name="find", word="x"), put, probes=[GOOD])))
    fault = made.steps[2].fault
    assert fault is not None
    assert fault.target == "known when the run gets there"
    assert "step put: its target is not known yet" in made.warnings


def test_what_cannot_be_promised_of_a_foreign_file() -> None:
    http = {"type": "action", "name": "call", "provider": {"type": "http", "url": "http://h/x", "method": "POST"}}
    told = "\n".join(plan(experiment(process("-c", "true", name="cut"), http, toy("say", word="a"))).warnings)
    assert "does not say what it acts on" in told
    assert "step cut: what sh does is not known here, and is undone by nothing" in told
    assert "step call: what http://h/x does" in told
    undone = plan(experiment(toy("say", word="a"), rollbacks=[toy("say", name="back", word="${a}")]))
    assert "undone only by the file's own rollbacks" in "\n".join(undone.warnings)
    assert "rollback back: after kill -9 it is played without the output of step a" in undone.warnings
    assert "no other run of the same file" in [guard.detail for guard in undone.guards]


def test_everything_that_is_not_on_this_machine_is_told_at_once_with_its_place() -> None:
    gone = toy("say", name="gone", word="a")
    gone["provider"]["module"] = "no_such_module"
    k8s = toy("say", name="k8s", word="a")
    k8s["provider"] |= {"module": "chaosk8s.no_such_part", "func": "terminate_pods"}
    near = toy("sya", name="near")
    wrong = toy("say", name="wrong", wrod="a")
    program = process(path="no-such-program", name="program")
    guard = control("guard", module="no_such_guard")
    with pytest.raises(BadFile) as caught:
        plan(experiment(gone, k8s, near, wrong, program, controls=[guard], probes=[GOOD]))
    problems = caught.value.problems
    assert {problem.code for problem in problems} == {"no-module", "no-function", "bad-arguments", "no-program"}
    told = str(caught.value)
    assert "did you mean 'say'" in told
    assert "pip install 'chaoslab[k8s]'" in told
    assert "no_such_guard" in told
    assert len({problem.line for problem in problems}) == len(problems) == 6


def test_unknown_variables_are_bad_usage() -> None:
    with pytest.raises(BadUsage, match="did you mean 'where'"):
        plan(experiment(configuration={"where": "x"}), "were=y")


def test_the_function_of_a_tripwire_must_be_there_too() -> None:
    call = {"module": "engine_toys", "func": "no_such_function"}
    with pytest.raises(BadFile, match="no_such_function"):
        plan(ours(experiment(probes=[GOOD]), tripwires=[{"probe": call, "bad_for": "1s"}]))


def python(module: str, func: str, step: str, **arguments: Any) -> dict[str, Any]:
    """Build an action of the package itself."""
    provider = {"type": "python", "module": module, "func": func, "arguments": arguments}
    return {"type": "action", "name": step, "provider": provider}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"pid": None}, "pid: must be a number, and is empty"),
        ({"name": "a\0b"}, "name: "),
        ({"ttl": "0s"}, "ttl: must be longer than zero"),
        ({"ttl": "1e308"}, "ttl: '1e308' is not a duration"),
    ],
)
def test_an_argument_that_makes_no_sense_is_told_with_its_place(arguments: dict[str, Any], told: str) -> None:
    built = ours(experiment(python("chaoslab.process.actions", "pause", "put", **arguments), probes=[GOOD]))
    with pytest.raises(BadFile) as caught:
        plan(built)
    assert caught.value.exit_code == 2
    [name] = arguments
    lines = json.dumps(built, indent=1).splitlines()
    line = max(number for number, text in enumerate(lines, 1) if f'"{name}": {json.dumps(arguments[name])}' in text)
    assert str(caught.value).startswith(f"toy.json:{line}:")
    assert f"step put: {told}" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


SERVING = {"module": "chaoslab.http.probes", "func": "serving", "arguments": {"prober": "api", "at_least": "${part}"}}


@pytest.mark.parametrize(
    ("pair", "told"),
    [
        ("part=12 elephants", "step well: at_least: '12 elephants' is not a share"),
        ("part=12 elephants", r"tripwires\[0\].probe.arguments.at_least: '12 elephants' is not a share"),
        ("rate=0", r"probers\[0\].rate_hz: .* must be above 0"),
        ("url=ftp://here", r"probers\[0\].url: 'ftp://here' is no web address"),
        ("url=http://ä..b", r"probers\[0\].url: 'http://ä..b' is no web address"),
    ],
)
def test_who_looks_on_is_read_by_the_plan_too(pair: str, told: str) -> None:
    """Found out by the run, it would look like a service that answers badly."""
    steady = {"type": "probe", "name": "well", "tolerance": True, "provider": {"type": "python", **SERVING}}
    built = ours(
        experiment(probes=[steady], configuration={"part": "95%", "url": "http://127.0.0.1:9/", "rate": 5.0}),
        probers=[{"name": "api", "url": "${url}", "rate_hz": "${rate}"}],
        tripwires=[{"probe": SERVING, "bad_for": "1s"}],
    )
    assert plan(built)
    with pytest.raises(BadFile, match=rf"(?m)^toy.json:\d+:\d+: {told}"):
        plan(built, pair)


def test_whom_a_probe_of_ours_judges_must_be_there() -> None:
    look = python("chaoslab.http.probes", "recovered", "look", prober="apu")
    with pytest.raises(BadFile, match=r"arguments.prober: there is no prober 'apu'; did you mean 'api'"):
        plan(ours(experiment(look, probes=[GOOD]), probers=[{"name": "api", "url": "http://h"}]))


def test_a_target_that_is_not_there_waits_for_the_file_to_be_right(tmp_path: Path) -> None:
    put, wait = (
        toy("blot", file=str(tmp_path / "no" / "blot")),
        python("chaoslab.runtime.actions", "wait", "w", duration=""),
    )
    with pytest.raises(BadFile) as caught:
        plan(ours(experiment(put, wait, probes=[GOOD])))
    assert [problem.code for problem in caught.value.problems] == ["bad-value"]


def test_a_step_that_waits_is_read_before_a_fault_is_injected(tmp_path: Path) -> None:
    wait = python("chaoslab.runtime.actions", "wait", "endure", duration="soon")
    with pytest.raises(BadFile, match=r"^toy.json:\d+:\d+: step endure: duration: 'soon' is not a duration"):
        plan(ours(experiment(toy("blot", file=str(tmp_path / "blot")), wait, probes=[GOOD])))


def test_a_fault_in_the_hypothesis_would_strike_before_the_steady_state_is_known(tmp_path: Path) -> None:
    put = toy("blot", name="put", file=str(tmp_path / "blot")) | {"type": "probe", "tolerance": True}
    with pytest.raises(BadFile, match="it belongs in the method"):
        plan(ours(experiment(probes=[put])))


@pytest.mark.parametrize(("ttl", "undone", "told"), [("5s", True, True), ("1m", True, False), ("5s", False, True)])
def test_a_fault_that_would_end_before_the_waits_that_follow_is_told(
    tmp_path: Path, ttl: str, undone: bool, told: bool
) -> None:
    put = toy("blot", name="put", file=str(tmp_path / "blot"), ttl=ttl)
    undo = [python("chaoslab.runtime.actions", "undo", "take", fault="blot")] if undone else []
    waits = [python("chaoslab.runtime.actions", "wait", name, duration="3s") for name in ("endure", "longer")]
    later = python("chaoslab.runtime.actions", "wait", "look", duration="10m" if undone else "1s")
    warnings = plan(ours(experiment(put, *waits, *undo, later, probes=[GOOD]))).warnings
    about = [warning for warning in warnings if "time-to-live of 5s" in warning]
    assert bool(about) == told, warnings
    assert all("step put: " in warning and "make `ttl` longer" in warning for warning in about)


@pytest.mark.parametrize(
    ("word", "is_known"), [("blot", True), ("engine_toys.blot", True), ("", True), ("bolt", False)]
)
def test_an_undo_names_a_fault_that_was_injected_before(tmp_path: Path, word: str, is_known: bool) -> None:
    put, back = toy("blot", file=str(tmp_path / "blot")), python("chaoslab.runtime.actions", "undo", "back", fault=word)
    if is_known:
        assert plan(ours(experiment(put, back, probes=[GOOD])))
    else:
        with pytest.raises(BadFile, match=r"step back: fault: no step before injects 'bolt'"):
            plan(ours(experiment(put, back, probes=[GOOD])))
    with pytest.raises(BadFile, match=r"no step before injects 'blot'"):
        plan(ours(experiment(python("chaoslab.runtime.actions", "undo", "back", fault="blot"), put, probes=[GOOD])))
