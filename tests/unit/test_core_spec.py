"""A catalog file becomes a spec, or a list of everything that is wrong with it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from chaoslab.core.errors import BadFile
from chaoslab.core.extension import Extension, Objectives, ProberTripwire, ProbeTripwire
from chaoslab.core.objective import MEASURES, Objective
from chaoslab.core.spec import Spec, name_of, parse_spec

FILES = Path(__file__).parent / "core_files"
GOOD = (FILES / "good.yaml").read_text()

FOREIGN = """\
title: A pod is killed
description: Written by somebody else.
method:
  - type: action
    name: kill
    provider: {type: python, module: chaosk8s.pod.actions, func: terminate_pods}
"""


def told(text: str | bytes, file: str = "drill.yaml") -> list[str]:
    with pytest.raises(BadFile) as caught:
        parse_spec(text, file)
    return [str(problem) for problem in caught.value.problems]


def changed(**changes: Any) -> str:
    """Return the good file as JSON with other values in our extension; None removes a key."""
    data = yaml.safe_load(GOOD)
    for key, value in changes.items():
        if value is None:
            del data["extensions"][0][key]
        else:
            data["extensions"][0][key] = value
    return json.dumps(data)


def changed_document(**changes: Any) -> str:
    return json.dumps({**yaml.safe_load(GOOD), **changes})


def only(text: str, file: str = "drill.json") -> str:
    """Return the one problem, without its place."""
    lines = told(text, file)
    assert len(lines) == 1, lines
    return lines[0].split(": ", 1)[1]


def test_a_good_drill_is_read() -> None:
    spec = parse_spec(GOOD, "drills/postgres-restore/drill.yaml")
    assert (spec.name, spec.kind, spec.domain) == ("postgres-restore", "drill", "postgres")
    assert spec.title == "A database restores from its dump"
    assert spec.needs == ("postgres-binaries",)
    assert not spec.foreign
    assert spec.doubts == ()
    assert spec.document == yaml.safe_load(GOOD)
    assert spec.objectives == (
        Objective("rto", "at_most", 7200.0, "s"),
        Objective("rpo", "at_most", 900.0, "s"),
        Objective("availability", "at_least", 0.95, "share", of="api"),
        Objective("latency_p99", "at_most", 0.5, "s", of="api"),
    )


def test_its_extension_has_defaults_and_units() -> None:
    extension = parse_spec(GOOD, "a.yaml").extension
    assert extension is not None
    assert extension.guards.free_disk == 2**30
    prober = extension.probers[0]
    assert (prober.rate_hz, prober.timeout, prober.expect, prober.method) == (50.0, 2.0, (200, 204), "GET")
    first, second = extension.tripwires
    assert isinstance(first, ProberTripwire)
    assert isinstance(second, ProbeTripwire)
    assert (first.name, first.bad_for) == ("api", 10.0)
    assert (second.name, second.every, second.bad_for) == ("chaoslab.http.probes.answers", 1.0, 30.0)
    plain = parse_spec(changed(probers=[{"name": "api", "url": "http://x", "expect": 204}]), "a.json").extension
    assert plain is not None
    assert (plain.probers[0].rate_hz, plain.probers[0].timeout, plain.probers[0].expect) == (20.0, 1.0, (204,))


def test_a_spec_cannot_be_changed() -> None:
    spec = parse_spec(GOOD, "a.yaml")
    with pytest.raises(dataclasses.FrozenInstanceError):
        spec.name = "other"  # type: ignore[misc]


def test_every_measure_can_be_an_objective() -> None:
    assert set(Objectives.model_fields) == set(MEASURES)


def test_the_model_survives_json() -> None:
    extension = parse_spec(GOOD, "a.yaml").extension
    assert extension is not None
    assert Extension.model_validate_json(extension.model_dump_json(exclude_none=True)) == extension


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("experiments/network/database-blocked.yaml", "database-blocked"),
        ("drills/postgres-restore/drill.yaml", "postgres-restore"),
        ("drill.yaml", "drill"),
        ("../drill.json", "drill"),
        ("mine.json", "mine"),
        ("<stdin>", "<stdin>"),
        ("", "experiment"),
    ],
)
def test_the_name_comes_from_the_path(file: str, name: str) -> None:
    assert name_of(file) == name


def test_json_is_read_like_yaml() -> None:
    spec = parse_spec(json.dumps(yaml.safe_load(GOOD)), "a.json")
    assert dataclasses.replace(
        spec, file="", name="", positions=parse_spec(GOOD, "a.yaml").positions
    ) == dataclasses.replace(parse_spec(GOOD, "a.yaml"), file="", name="")


def test_a_foreign_file_is_read_too() -> None:
    spec: Spec = parse_spec(FOREIGN, "theirs/kill-pod.yaml")
    assert (spec.name, spec.kind, spec.domain, spec.needs) == ("kill-pod", "experiment", "other", ())
    assert spec.foreign
    assert spec.objectives == ()


def test_what_is_odd_in_a_foreign_file_is_only_a_doubt() -> None:
    text = FOREIGN + "configuration: {on: no}\nrollback: []\n"
    spec = parse_spec(text, "a.yaml")
    assert spec.document["configuration"] == {"on": False}
    assert [problem.code for problem in spec.doubts] == ["yaml-trap", "yaml-trap", "unknown-key"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "drill.yaml:1:1: the file is empty; write a mapping with title, description and method"),
        ("- a\n", "drill.yaml:1:1: the file is a list; write a mapping with title, description and method"),
        ("hello", "drill.yaml:1:1: the file is the text 'hello'; write a mapping with"),
    ],
)
def test_what_is_no_mapping_is_told(text: str, expected: str) -> None:
    lines = told(text)
    assert len(lines) == 1
    assert lines[0].startswith(expected)


def test_everything_that_is_wrong_is_told_at_once_and_in_order() -> None:
    expected = (FILES / "bad.problems").read_text().splitlines()
    assert told((FILES / "bad.yaml").read_bytes(), "bad.yaml") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (changed(kind=None), "chaoslab: `kind` is missing; write drill or experiment"),
        (
            changed(targets=[]),
            "targets: must not be empty; list at least one",
        ),
        (changed(blast_radius="  "), "blast_radius: is empty; write some text"),
        (
            changed(blast_radius=5),
            "blast_radius: must be text, and is the number 5; put it in quotes",
        ),
        (
            changed(objectives={"availability": "95%"}),
            "objectives: a drill needs an objective for the time or the data that a recovery may cost; "
            "add `rto: 2h` or `rpo: 15m`",
        ),
        (
            changed(objectives={"rto": {"at_most": "2h", "of": "api"}}),
            "objectives.rto.of: is measured from the run's marks, not by a prober; remove `of`",
        ),
        (
            changed(objectives={"rto": "2h", "recovery": "5s"}, probers=[], tripwires=[]),
            "objectives.recovery: needs a prober that measures it, and there is none; "
            "add `probers: [{name: NAME, url: ADDRESS}]`",
        ),
        (
            changed(
                objectives={"rto": "2h", "recovery": "5s"},
                probers=[{"name": "api", "url": "http://a"}, {"name": "web", "url": "http://b"}],
            ),
            "objectives.recovery: any of 2 probers could measure it; write {at_most: ..., of: api}",
        ),
        (changed(objectives=["rto"]), "objectives: must be a mapping, and is a list; write `key: value`"),
        (
            changed(probers=[{"name": 5, "url": "http://x"}], objectives={"rto": "2h"}, tripwires=[]),
            "probers[0].name: must be text, and is the number 5; put it in quotes",
        ),
        (changed(needs="lab"), "needs: must be a list, and is the text 'lab'; write [one, two], or begin"),
        (changed(needs=[5]), "needs[0]: must be text, and is the number 5; put it in quotes"),
        (changed(guards={"free_disk": 100}), "guards.free_disk: 100 is not a size, its unit is missing; write 100MiB"),
        (
            changed_document(controls=[]),
            "controls: the control that guards the run is not declared; add `controls: [{name: chaoslab,",
        ),
        (
            changed_document(
                controls=[
                    {
                        "name": "chaoslab",
                        "automatic": False,
                        "provider": {"type": "python", "module": "chaoslab.engine.control"},
                    }
                ]
            ),
            "controls[0].automatic: our control must work for the whole file; remove `automatic: false`",
        ),
        (
            changed_document(
                controls=[
                    {
                        "name": "chaoslab",
                        "scope": "after",
                        "provider": {"type": "python", "module": "chaoslab.engine.control"},
                    }
                ]
            ),
            "controls[0].scope: our control must work before and after every step; remove `scope`",
        ),
        (changed_document(title=""), "`title` is missing; say in a line what is tried"),
        (changed_document(method=None), "`method` is missing; list the steps, or write `method: []`"),
        (changed_document(method={}), "method: must be a list of steps, and is a mapping; begin each with `- `"),
        (changed_document(rollbacks=[5]), "rollbacks[0]: must be a mapping with type, name and provider, and is"),
        (changed_document(tags=["a", 5]), "tags[1]: must be a word, and is the number 5; put it in quotes"),
        (
            changed_document(runtime={"rollbacks": {"strategy": "allways"}}),
            "runtime.rollbacks.strategy: 'allways' is no strategy; did you mean 'always'?",
        ),
        (
            changed_document(secrets={"password": "x"}, method=[]),
            "secrets.password: must be a mapping of names to values, and is the text 'x'; write a group",
        ),
    ],
)
def test_one_thing_wrong_is_told_in_one_line(text: str, expected: str) -> None:
    assert only(text).startswith(expected)


def test_an_experiment_that_can_never_fail_is_refused() -> None:
    data = yaml.safe_load(GOOD)
    del data["steady-state-hypothesis"]
    data["extensions"][0] |= {"kind": "experiment", "objectives": {}}
    expected = "objectives: this experiment can never fail: it has no objective, and no probe of a steady state"
    assert only(json.dumps(data)).startswith(expected)


def test_the_extension_stands_once() -> None:
    data = yaml.safe_load(GOOD)
    data["extensions"].append(data["extensions"][0])
    assert only(json.dumps(data)) == "extensions[1]: there is a second extension named chaoslab; keep one"


def test_a_misspelled_extension_is_a_doubt() -> None:
    spec = parse_spec(FOREIGN + "extensions: [{name: chaos-lab}]\n", "a.yaml")
    assert [str(doubt) for doubt in spec.doubts] == [
        "a.yaml:7:21: extensions[0].name: 'chaos-lab' is nothing we know; did you mean 'chaoslab'?"
    ]


def test_text_from_the_file_cannot_break_the_line_or_the_terminal() -> None:
    lines = told(changed(kind="dr\n\x1b[31mill" + "x" * 900))
    assert len(lines) == 1
    assert lines[0].isprintable()
    assert len(lines[0]) < 900
