"""`chaoslab run` as people and CI jobs use it, on the real lab."""

import json

import pytest


def test_a_run_tells_steps_verdict_objectives_and_report(person):
    done = person.types("run", "short.yaml")
    assert done.returncode == 0, done.stderr
    steps = [line for line in done.stderr.splitlines() if " inject " in line or " undo " in line]
    assert len(steps) == 2
    assert "pause-it" in steps[0]
    assert "PASSED  The experiment" in done.stdout
    assert "recovery of service" in done.stdout
    [folder] = person.runs()
    assert f"report: {folder.relative_to(person.folder)}/report.md" in done.stdout
    assert {"events.jsonl", "journal.json", "report.json", "report.md"} <= {path.name for path in folder.iterdir()}
    assert "\x1b[" not in done.stdout + done.stderr


def test_json_on_stdout_is_the_report_and_all_else_is_on_stderr(person):
    done = person.types("run", "short.yaml", "--json", "--seed", 7)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["schema"], report["outcome"], report["exit_code"]) == ("chaoslab.report/1", "passed", 0)
    assert report["run"]["seed"] == 7
    assert report == json.loads((person.runs()[0] / "report.json").read_text())
    assert "PASSED" in done.stderr


def test_a_missed_objective_is_10(person):
    text = (person.folder / "short.yaml").read_text().replace("recovery: 5s", "latency_p99: 1ms")
    (person.folder / "short.yaml").write_text(text)
    done = person.types("run", "short.yaml", "--json")
    assert done.returncode == 10
    assert json.loads(done.stdout)["objectives"][0]["outcome"] == "missed"


def test_variables_of_files_and_of_the_command_line(person):
    (person.folder / "vars.yaml").write_text("configuration:\n  hold: 0.1s\n  ttl: 9s\n")
    done = person.types("plan", "short.yaml", "--var-file", "vars.yaml", "--var", "ttl=11s", "--json")
    assert done.returncode == 0, done.stderr
    steps = {step["name"]: step for step in json.loads(done.stdout)["steps"]}
    assert steps["hold-on"]["arguments"]["duration"] == "0.1s"
    assert steps["pause-it"]["fault"]["ttl_s"] == 11


def test_several_run_one_after_another_and_the_worst_counts(person):
    text = (person.folder / "short.yaml").read_text()
    (person.folder / "misses.yaml").write_text(text.replace("recovery: 5s", "latency_p99: 1ms"))
    done = person.types("run", "misses.yaml", "short.yaml", "--json", "--var", "hold=0.1s")
    assert done.returncode == 10
    assert [report["outcome"] for report in json.loads(done.stdout)] == ["failed", "passed"]
    assert len(person.runs()) == 2
    again = person.types("report", *person.runs())
    assert again.returncode == 10
    assert again.stdout.count("report: ") == 4


def test_of_several_files_a_bad_one_is_told_before_anything_begins(person):
    done = person.types("run", "short.yaml", "nowhere.yaml")
    assert done.returncode == 2
    assert person.runs() == []


def test_a_report_is_made_again_from_the_run_log_alone(person):
    assert person.types("run", "short.yaml").returncode == 0
    [folder] = person.runs()
    before = (folder / "report.json").read_text()
    for name in ("report.json", "report.md"):
        (folder / name).unlink()
    done = person.types("report", folder)
    assert done.returncode == 0
    assert "PASSED" in done.stdout
    assert (folder / "report.json").read_text() == before
    shown = person.types("report", folder, "--json")
    assert json.loads(shown.stdout) == json.loads(before)


@pytest.mark.parametrize("change", ["", "hold=2s"])
def test_a_run_is_held_to_its_plan(person, change):
    made = person.types("plan", "short.yaml", "--out", "plan.json")
    assert made.returncode == 0, made.stderr
    assert "pause" in made.stdout
    assert person.runs() == []
    changes = ["--var", change] if change else []
    done = person.types("run", "short.yaml", "--plan", "plan.json", *changes)
    if change:
        assert done.returncode == 12
        assert "no longer matches the plan" in done.stdout + done.stderr
    else:
        assert done.returncode == 0, done.stderr


def test_a_changed_plan_is_no_plan(person):
    assert person.types("plan", "short.yaml", "--out", "plan.json").returncode == 0
    path = person.folder / "plan.json"
    path.write_text(path.read_text().replace("20.0", "200.0").replace('"ttl_s": 20,', '"ttl_s": 200,'))
    done = person.types("run", "short.yaml", "--plan", "plan.json")
    assert done.returncode == 2
    assert done.stderr.startswith("plan.json:")


def test_production_needs_its_name(person):
    prod = {"CHAOSLAB_PRODUCTION": "*service.pid"}
    done = person.types("run", "short.yaml", **prod)
    assert done.returncode == 12
    assert "is production" in done.stdout + done.stderr
    target = json.loads(person.types("plan", "short.yaml", "--json").stdout)["targets"][0]["address"]
    assert person.types("run", "short.yaml", "--yes", "another", **prod).returncode == 12
    done = person.types("run", "short.yaml", "--yes", target, **prod)
    assert done.returncode == 0, done.stderr
