"""`chaoslab doctor` says what is there, what is missing, what for, and what brings it."""

import json
import sys

import pytest

from chaoslab.cli import machine
from chaoslab.cli.machine import Finding, look, why_not_writable
from chaoslab.cli.main import main
from chaoslab.engine.needs import missing


@pytest.fixture
def doctor(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("CHAOSLAB_LAB_HOME", str(tmp_path / "lab"))

    def call(*arguments):
        code = main(["doctor", *arguments])
        return code, *capsys.readouterr()

    return call


def test_what_it_finds_has_a_stable_shape(doctor):
    code, out, err = doctor("--json")
    assert (code, err) == (0, "")
    told = json.loads(out)
    assert set(told) == {"checks", "lab", "residue", "problem"}
    assert told["lab"]["state"] == "stopped"
    assert told["residue"] == []
    for check in told["checks"]:
        assert set(check) == {"area", "name", "outcome", "found", "needed_for", "remedy", "essential"}
        assert check["outcome"] in {"ok", "missing"}
        assert check["needed_for"]
        assert check["outcome"] == "ok" or check["remedy"]


def test_it_covers_what_exercises_need(doctor):
    names = {check["name"] for check in json.loads(doctor("--json")[1])["checks"]}
    assert {"python", "chaostoolkit-lib", "state folder", "reports folder", "server programs"} <= names
    assert "pg" in names


def test_nothing_is_asked_for_that_no_exercise_uses(doctor):
    names = {check["name"] for check in json.loads(doctor("--json")[1])["checks"]}
    assert not {"k8s", "aws", "net", "otel", "kubernetes"} & names


def test_every_capability_that_the_catalog_needs_is_looked_for(doctor):
    checks = {check["name"]: check for check in json.loads(doctor("--json")[1])["checks"] if check["area"] == "needs"}
    assert "network-latency" in checks["netem"]["needed_for"]
    assert checks["netem"]["outcome"] == ("missing" if missing(["netem"]) else "ok")


def test_it_leaves_nothing_behind(doctor, tmp_path):
    doctor()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_missing_thing_is_told_with_its_remedy(doctor, monkeypatch):
    monkeypatch.setattr(machine, "_EXTRAS", {"k8s": "faults in Kubernetes"})
    monkeypatch.setattr(machine, "_version", lambda name: "1.45.1" if name == "chaostoolkit-lib" else "")
    code, out, _ = doctor()
    assert code == 0
    assert "no chaostoolkit-kubernetes, no kubernetes; needed for faults in Kubernetes" in out
    assert "pip install 'chaoslab[k8s]'" in out


def test_reports_that_cannot_be_written_end_with_12(doctor, tmp_path):
    (tmp_path / "reports").write_text("a file where a folder is expected")
    code, out, _ = doctor()
    assert code == 12
    assert "is a file" in out
    assert "--reports" in out


@pytest.mark.parametrize("version", ["1.44.0", ""])
def test_an_engine_that_loses_signals_is_not_enough(monkeypatch, version):
    monkeypatch.setattr(machine, "_version", lambda name: version)
    finding = machine._engine()
    assert (finding.outcome, finding.essential) == ("missing", True)


def test_a_ledger_that_cannot_be_read_is_told(doctor, tmp_path):
    folder = tmp_path / "state/chaoslab/ledger"
    folder.mkdir(parents=True)
    (folder / "r1.jsonl").write_text("not json\n")
    code, out, _ = doctor()
    assert code == 13
    assert "r1" in out


def test_ledgers_that_nobody_can_look_at_are_not_called_none(doctor, tmp_path):
    (tmp_path / "state").write_text("a file where a folder is expected")
    code, out, _ = doctor()
    assert code == 12
    assert f"residue            nobody can say: cannot use {tmp_path}/state" in out
    assert "Errno" not in out


@pytest.mark.parametrize(("place", "why"), [("nowhere", "there is no folder "), ("file", "is a file")])
def test_a_folder_for_scratch_things_that_is_none_is_told(doctor, tmp_path, monkeypatch, place, why):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TMPDIR", str(tmp_path / place))
    code, out, err = doctor()
    assert (code, err) == (0, "")
    assert why in next(line for line in out.splitlines() if "free disk" in line)


def test_a_folder_is_tried_where_it_would_be_made(tmp_path):
    assert why_not_writable(tmp_path / "not/yet/there") == ""
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("")
    assert "is a file" in why_not_writable(tmp_path / "file/below")
    assert why_not_writable(tmp_path / "/proc/chaoslab") != ""


@pytest.mark.parametrize(
    ("requirement", "name"),
    [("psycopg[binary]>=3.3; extra == 'pg'", "psycopg"), ("docker>=7.2", "docker"), ("boto3", "boto3")],
)
def test_the_name_in_a_requirement(requirement, name):
    assert machine._distribution(requirement) == name


def test_nothing_essential_is_missing_where_the_tests_run(tmp_path):
    findings = list(look(tmp_path, tmp_path))
    assert all(isinstance(finding, Finding) for finding in findings)
    assert [finding.name for finding in findings if finding.essential and finding.outcome != "ok"] == []
    python = next(finding for finding in findings if finding.name == "python")
    assert python.found == ".".join(map(str, sys.version_info[:3]))
