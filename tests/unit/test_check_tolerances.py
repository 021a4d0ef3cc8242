"""`chaoslab check`: tolerances that do nothing. Each claim is tried on the engine itself."""

import sys
from pathlib import Path

import pytest
from chaoslib.exceptions import InvalidActivity
from chaoslib.hypothesis import check_json_path, within_tolerance

sys.path.append(str(Path(__file__).parent / "support"))

from check_files import LOOK, codes, judged, later, python, told

RESPONSE = {"status": 200, "headers": {"a": "b"}, "body": {"state": "UP"}}
EXITED = {"status": 0, "stdout": '{"state": "UP"}', "stderr": ""}
PROCESS = {"provider": {"type": "process", "path": "status", "timeout": 3}}
READY = {"provider": python("chaosk8s.pod.probes.pods_in_phase")["provider"]}
COUNT = {"provider": python("chaosk8s.pod.probes.count_pods")["provider"]}
EVENTS = {"provider": python("chaosk8s.probes.get_events")["provider"]}

NEVER = [
    (True, {}, RESPONSE),
    ("200", {}, RESPONSE),
    (0, {}, RESPONSE),
    (["200", "204"], {}, RESPONSE),
    ([], {}, RESPONSE),
    (True, PROCESS, EXITED),
    ("UP", READY, True),
    (7, READY, True),
    ("3", COUNT, 3),
    ({"type": "jsonpath", "path": "$.state"}, {}, RESPONSE),
    ({"type": "jsonpath", "path": '$["state"]', "expect": "UP"}, {}, RESPONSE),
    ({"type": "jsonpath", "path": "$.state", "target": "text"}, {}, RESPONSE),
    ({"type": "range", "range": [0, 1], "target": "status"}, {}, RESPONSE),
    ({"type": "range", "range": [0, 99], "target": "status"}, {}, RESPONSE),
    ({"type": "range", "range": [600, 700], "target": "status"}, {}, RESPONSE),
]
ALWAYS = [
    ({"type": "regex", "pattern": ".*", "target": "stdout"}, PROCESS, EXITED),
    ({"type": "regex", "pattern": "x*", "target": "stdout"}, PROCESS, EXITED),
    ({"type": "jsonpath", "path": "$", "target": "body"}, {}, RESPONSE),
    ({"type": "jsonpath", "path": "$.error", "count": 0}, {}, RESPONSE),
    ({"type": "range", "range": [0, 999], "target": "status"}, {}, RESPONSE),
    ({"type": "range", "range": [100, 599], "target": "status"}, {}, RESPONSE),
    ({"type": "range", "range": [0, 255], "target": "status"}, PROCESS, EXITED),
    ({"type": "jsonpath", "path": "$.status"}, PROCESS, EXITED),
    ({"type": "jsonpath", "path": "$.body", "count": 1}, {}, RESPONSE),
]
RAISES = [
    ({"type": "regex", "pattern": "UP"}, {}, RESPONSE),
    ({"type": "regex", "pattern": "UP"}, PROCESS, EXITED),
    ({"type": "regex", "pattern": "200", "target": "status"}, {}, RESPONSE),
    ({"type": "range", "range": [200, 299]}, {}, RESPONSE),
    ({"type": "regex", "pattern": "UP", "target": "body"}, READY, True),
]
GOOD = [
    ({"type": "jsonpath", "path": "$.status", "expect": [200]}, {}, RESPONSE),
    ({"type": "range", "range": [0, 1], "target": "status"}, PROCESS, EXITED),
    (200, {}, RESPONSE),
    ([200, 204], {}, RESPONSE),
    (0, PROCESS, EXITED),
    (True, READY, True),
    (3, COUNT, 3),
    ([1, 5], COUNT, 3),
    ({"type": "regex", "pattern": "UP", "target": "stdout"}, PROCESS, EXITED),
    ({"type": "jsonpath", "path": "$.state", "target": "body"}, {}, RESPONSE),
    ({"type": "jsonpath", "path": "$.state", "target": "stdout", "expect": "UP"}, PROCESS, EXITED),
    ({"type": "jsonpath", "path": "$.body.state"}, {}, RESPONSE),
    ({"type": "jsonpath", "path": "$.error", "target": "body", "count": 0}, {}, RESPONSE),
    ({"type": "range", "range": [200, 299], "target": "status"}, {}, RESPONSE),
    ({"type": "range", "range": [101, 599], "target": "status"}, {}, RESPONSE),
    ({"type": "range", "range": [0, 99], "target": "status"}, PROCESS, EXITED),
    ({"type": "range", "range": [0, 999]}, COUNT, 3),
]
ALL = {"never-met", "always-met", "tolerance-raises", "empty-range", "list-is-range"}


@pytest.mark.parametrize(("tolerance", "probe", "output"), NEVER)
def test_never_met(tolerance, probe, output):
    assert codes(**judged(tolerance, **probe)) & ALL == {"never-met"}
    assert not within_tolerance(tolerance, output)


@pytest.mark.parametrize(("tolerance", "probe", "output"), ALWAYS)
def test_always_met(tolerance, probe, output):
    assert codes(**judged(tolerance, **probe)) & ALL == {"always-met"}
    assert within_tolerance(tolerance, output)


@pytest.mark.parametrize(("tolerance", "probe", "output"), RAISES)
def test_what_breaks_the_run_off(tolerance, probe, output):
    assert codes(**judged(tolerance, **probe)) & ALL == {"tolerance-raises"}
    with pytest.raises((TypeError, ValueError, AttributeError)):
        within_tolerance(tolerance, output)


@pytest.mark.parametrize(("tolerance", "probe", "output"), GOOD)
def test_what_is_good_is_let_be(tolerance, probe, output):
    assert codes(**judged(tolerance, **probe)) & ALL == set()
    assert within_tolerance(tolerance, output)


def test_a_judging_probe_that_gives_a_mapping_says_yes_to_everything():
    judge = {"type": "probe", "name": "judge", "provider": {"type": "process", "path": "false", "arguments": {}}}
    assert "always-met" in codes(**judged(judge))
    assert within_tolerance(judge, RESPONSE)
    true = {**judge, "provider": python("theirs.judging.well")["provider"]}
    assert "always-met" not in codes(**judged(true))
    events = {**judge, "provider": EVENTS["provider"]}
    assert "always-met" not in codes(**judged(events))


def test_lists_that_mean_something_else():
    assert "list-is-range" in codes(**judged([200, 299]))
    assert not within_tolerance([200, 299], {"status": 204})
    assert "list-is-range" not in codes(**judged([200, 503]))
    state = {"provider": python("theirs.probes.state")["provider"]}
    assert "list-is-range" in codes(**judged(["Pending", "Running"], **state))
    assert within_tolerance(["Pending", "Running"], "Quite another")
    assert "empty-range" in codes(**judged([5, 1], **state))
    assert "empty-range" in codes(**judged({"type": "range", "range": [5, 1]}, **state))


@pytest.mark.parametrize(
    "path", ["status", "$['state']", "$[?(@.a='b')]", "@.a", ".a", "$.a-b", "$a", "$.1a", "$.a.", "$[a]"]
)
def test_a_path_that_the_engine_cannot_read(path):
    assert "bad-jsonpath" in codes(**judged({"type": "jsonpath", "path": path, "target": "body"}))
    with pytest.raises(InvalidActivity):
        check_json_path({"path": path})


@pytest.mark.parametrize("path", ['$["a-b"].c', "$..a", "$.*", "$.a[0]", "$.a[*].b", '$.a[?(@.b="c-d")]', "$.a[-1]"])
def test_a_path_that_the_engine_can_read(path):
    assert "bad-jsonpath" not in codes(**judged({"type": "jsonpath", "path": path, "target": "body"}))
    check_json_path({"path": path})


def test_a_tolerance_of_no_type_we_know_and_one_without_room_for_the_value():
    assert "unknown-tolerance" in codes(**judged({"type": "equal", "value": 3}))
    judge = {"type": "probe", "name": "judge", "provider": {"type": "python", "module": "a.b", "func": "c"}}
    assert "no-arguments" in codes(**judged(judge))


def test_a_tolerance_from_the_configuration_is_followed():
    assert "never-met" in codes(configuration={"wanted": "ok"}, **judged("${wanted}"))
    assert "never-met" not in codes(configuration={"wanted": 200}, **judged("${wanted}"))
    assert "never-met" not in codes(configuration={"wanted": {"type": "env", "key": "W"}}, **judged("${wanted}"))


def test_a_hypothesis_that_proves_nothing():
    act = python("theirs.actions.act")
    assert "no-hypothesis" in codes(**{"steady-state-hypothesis": None, "method": [act]})
    assert "no-probes" in codes(**{"steady-state-hypothesis": {"title": "t", "probes": []}, "method": [act]})
    assert "no-probes" in codes(**{"steady-state-hypothesis": {"title": "t"}})
    assert codes(method=[act]) & {"no-hypothesis", "no-probes"} == set()
    ours = {"name": "chaoslab", "kind": "experiment", "domain": "d", "blast_radius": "b"}
    ours |= {"targets": [{"kind": "k", "address": "a"}], "objectives": {"recovery": {"at_most": "5s", "of": "p"}}}
    ours |= {"probers": [{"name": "p", "url": "http://service/"}]}
    control = {"name": "chaoslab", "provider": {"type": "python", "module": "chaoslab.engine.control"}}
    whole = {"extensions": [ours], "controls": [control], "steady-state-hypothesis": None, "method": [act]}
    said = told("no-hypothesis", **whole)
    assert "no run can pass" in "".join(said)


def test_a_probe_that_changes_something():
    kill = {**python("chaosk8s.pod.actions.terminate_pods", label_selector="a=b"), "type": "probe"}
    assert "probe-changes" in codes(**judged(True, provider=kill["provider"]))
    assert "probe-changes" in codes(**judged(200, provider={**LOOK["provider"], "method": "delete"}))
    assert "probe-changes" not in codes(**judged(200, provider={**LOOK["provider"], "method": "POST"}))
    assert "action-in-hypothesis" in codes(**judged(200, type="action"))


def test_a_hypothesis_that_is_asked_too_soon():
    kill = python("chaosk8s.pod.actions.terminate_pods", label_selector="app=x")
    full = {
        **LOOK,
        "tolerance": True,
        "provider": python("chaosk8s.deployment.probes.deployment_fully_available")["provider"],
    }
    assert "no-pause" in codes(method=[kill])
    assert "stale-status" in codes(**{"method": [kill], "steady-state-hypothesis": {"title": "h", "probes": [full]}})
    assert codes(method=[later(kill)]) & {"no-pause", "stale-status"} == set()
    assert codes(method=[kill, {**LOOK, "name": "wait"}]) & {"no-pause", "stale-status"} == set()


@pytest.mark.parametrize(
    ("strategy", "code"),
    [
        ("skip", "hypothesis-never-fails"),
        ("during-method-only", "hypothesis-never-fails"),
        ("after-method-only", "no-baseline"),
    ],
)
def test_a_hypothesis_that_is_asked_at_the_wrong_time(strategy, code):
    assert code in codes(runtime={"hypothesis": {"strategy": strategy}})
    assert code not in codes(runtime={"hypothesis": {"strategy": "default"}})
