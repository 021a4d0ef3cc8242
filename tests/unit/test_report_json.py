"""report.json keeps its contract: the fields, their types, and nothing that a JSON parser refuses."""

import json
import math
import sys
from pathlib import Path

import pytest
from pydantic import TypeAdapter

sys.path.insert(0, str(Path(__file__).parent / "support"))

from json_schema import problems
from report_story import AVAILABILITY, RECOVERY, RPO, RTO, Story, drill, experiment

import chaoslab.report
from chaoslab.report import jsonfile
from chaoslab.report.model import Report
from chaoslab.report.schema import schema_text
from chaoslab.report.write import report_of

SCHEMA_FILE = Path(chaoslab.report.__file__).parent / "schema.json"
CONTRACT = {
    "": "schema run outcome residue exit_code objectives steps findings faults marks figures evidence",
    "run": "id slug title kind started_at ended_at duration_s host versions seed plan_sha256",
    "objectives": "name objective unit actual outcome reason",
    "steps": "name phase outcome start_s duration_s error",
    "findings": "code severity where message expected actual",
    "faults": "name target injected_s effective_s undone_s undone_by",
    "evidence": "path sha256",
}


def data_of(folder):
    return json.loads(jsonfile.render(report_of(folder)), parse_constant=pytest.fail)


def test_every_field_of_the_contract_is_there(tmp_path):
    data = data_of(experiment(tmp_path).step("pause the service", "inject", 1.0).finding().end())
    for part, fields in CONTRACT.items():
        holder = data[part] if part else data
        for one in holder if isinstance(holder, list) else [holder]:
            assert set(fields.split()) <= set(one), part
    assert data["schema"] == "chaoslab.report/1"
    assert set(data["objectives"][0]["actual"]) == {"low", "high"}


def test_what_a_run_was_is_told_as_its_first_event_has_it(tmp_path):
    data = data_of(drill(tmp_path).end())
    assert data["run"] == {
        "id": "20260131T235930Z-shop",
        "slug": "shop",
        "title": "Restore the shop",
        "description": "Passing proves that the shop comes back.",
        "kind": "drill",
        "started_at": "2026-01-31T23:59:30.000000Z",
        "ended_at": "2026-01-31T23:59:40.000000Z",
        "duration_s": 10.0,
        "host": "lab-1",
        "versions": {"chaoslab": "0.1.0", "postgresql": "16.4"},
        "seed": 42,
        "plan_sha256": "ab" * 32,
        "file": "drills/shop.yaml",
        "targets": ["postgres 127.0.0.1:5432/shop"],
        "blast_radius": "reads the source",
    }
    assert (data["outcome"], data["exit_code"], data["residue"]) == ("passed", 0, [])
    assert data["marks"] == {
        "disaster_s": 0.0,
        "detected_s": 0.5,
        "fetched_s": 2.0,
        "restored_s": 8.0,
        "verified_s": 10.0,
    }
    assert data["figures"]["restored_rows"] == {"value": 1_204_331, "unit": "rows"}
    assert data["figures"]["lost_s"] == {"value": [0.2, 1.4], "unit": "s"}


def test_the_time_to_recover_is_split_at_the_marks(tmp_path):
    phases = data_of(drill(tmp_path).end())["rto_phases"]
    assert [(phase["name"], phase["duration_s"]) for phase in phases] == [
        ("detect", 0.5),
        ("fetch", 1.5),
        ("restore", 6.0),
        ("verify", 2.0),
    ]


def test_an_objective_has_its_target_its_bounds_and_what_is_left(tmp_path):
    rto, rpo = data_of(drill(tmp_path).end())["objectives"]
    assert (rto["name"], rto["objective"], rto["bound"], rto["unit"], rto["of"]) == ("rto", 7200, "at_most", "s", None)
    assert (rto["actual"], rto["margin"], rto["outcome"]) == ({"low": 0.0, "high": 10.0}, 7190.0, "met")
    assert (rpo["actual"], rpo["margin"]) == ({"low": 0.2, "high": 1.4}, 898.6)


def test_what_has_no_bound_is_null(tmp_path):
    story = Story(tmp_path).begin(RECOVERY, RPO).healthy().intend().bite().undone().after(5)
    story.sampled((0, 5, False, 1.0)).say("figure", name="lost_s", value=[3.0, math.inf], unit="s")
    recovery, rpo = data_of(story.end())["objectives"]
    assert recovery["actual"]["high"] is None
    assert recovery["outcome"] == "missed"
    assert recovery["margin"] is None
    assert rpo["actual"] == {"low": 3.0, "high": None}


def test_what_was_not_measured_is_null_and_unknown(tmp_path):
    rto, availability = data_of(Story(tmp_path).begin(RTO, AVAILABILITY).healthy().end())["objectives"]
    assert rto["actual"] == availability["actual"] == {"low": None, "high": None}
    assert rto["outcome"] == availability["outcome"] == "unknown"
    assert rto["reason"] == "no disaster was marked"


def test_a_value_that_json_has_no_word_for_is_kept_as_text(tmp_path):
    story = drill(tmp_path).finding(expected=[math.nan, -math.inf], actual={"a": None})
    (finding,) = data_of(story.end())["findings"]
    assert finding["expected"] == ["NaN", "-Infinity"]
    assert finding["actual"] == {"a": None}


def test_half_a_surrogate_pair_does_not_break_the_file(tmp_path):
    folder = drill(tmp_path).finding(message="NAME").end()
    log = folder / "events.jsonl"
    log.write_text(log.read_text().replace("NAME", "\\ud800 and \\u0000"))
    text = jsonfile.render(report_of(folder))
    assert json.loads(text.encode())["findings"][0]["message"] == "\\ud800 and \0"


def test_each_part_has_its_figures_and_the_codes_found_in_it(tmp_path):
    story = drill(tmp_path)
    story.say("part", name="shop", outcome="unknown", figures={"dump_s": 1.5})
    story.say("part", name="shop2", outcome="ok", figures={"rows": 3, "lost_s": [0.1, math.inf]})
    story.finding(where="shop/public.orders").finding(where="shop").finding(where="shop/x", severity="note", code="n")
    story.say("part", name="shop", outcome="failed", figures={"restore_s": 2.5})
    shop, other = data_of(story.end())["parts"]
    assert shop == {
        "name": "shop",
        "outcome": "failed",
        "findings": ["row-count-differs"],
        "figures": {"dump_s": 1.5, "restore_s": 2.5},
    }
    assert (other["outcome"], other["findings"]) == ("ok", [])
    assert other["figures"] == {"rows": 3, "lost_s": [0.1, "Infinity"]}


def test_samples_are_summed_up(tmp_path):
    (prober,) = data_of(experiment(tmp_path).end())["probers"]
    assert (prober["name"], prober["count"], prober["good"]) == ("api", 300, 270)
    assert (prober["first_bad_s"], prober["last_bad_s"], prober["notes"]) == (10.0, 12.9, {"timeout": 30})
    assert [(window["name"], window["count"], window["good"]) for window in prober["windows"]] == [
        ("before", 100, 100),
        ("during", 30, 0),
        ("after", 170, 170),
    ]
    assert prober["windows"][0]["p99_s"] == 0.004
    assert prober["windows"][1]["p99_s"] is None
    assert sum(bucket["count"] for bucket in prober["buckets"]) == 300
    assert len(prober["buckets"]) <= 60


def test_the_schema_in_the_wheel_is_that_of_the_model():
    assert SCHEMA_FILE.read_text() == schema_text()


def test_the_schema_asks_for_what_the_contract_names():
    schema = json.loads(SCHEMA_FILE.read_text())
    assert set(CONTRACT[""].split()) <= set(schema["required"])
    assert problems({}, schema)
    assert problems({"schema": "chaoslab.report/0"}, schema)


@pytest.mark.parametrize("make", [drill, experiment])
def test_a_report_fits_its_schema_and_can_be_read_back(tmp_path, make):
    story = make(tmp_path).finding().say("part", name="shop", outcome="ok", figures={"rows": 3, "note": "x"})
    folder = story.end()
    data = data_of(folder)
    assert problems(data, json.loads(SCHEMA_FILE.read_text())) == []
    assert TypeAdapter(Report).validate_python(data) == report_of(folder)
