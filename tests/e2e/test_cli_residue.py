"""What cannot be undone outranks everything, is told loudly, and is cleared by `chaoslab undo`."""

import json
from pathlib import Path

import pytest

SUPPORT = Path(__file__).resolve().parents[1] / "unit" / "support"
STUCK = """\
title: A file that should not be there
description: Its undo works only once somebody has repaired the cause.
steady-state-hypothesis:
  title: all is well
  probes:
    - name: always-true
      type: probe
      tolerance: true
      provider: {type: python, module: os.path, func: exists, arguments: {path: /}}
method:
  - name: make-it
    type: action
    provider:
      type: python
      module: filefault
      func: make
      arguments: {path: "${path}", how: until-repaired}
configuration:
  path: FILE
"""


@pytest.fixture
def stuck(lonely):
    """Somebody whose exercise leaves something behind."""
    fault = lonely.folder / "fault"
    (lonely.folder / "stuck.yaml").write_text(STUCK.replace("FILE", str(fault)))
    lonely.variables["PYTHONPATH"] = str(SUPPORT)
    return lonely


def test_residue_is_13_until_its_cause_is_mended(stuck):
    done = stuck.types("run", "stuck.yaml", "--json")
    assert done.returncode == 13, done.stderr
    report = json.loads(done.stdout)
    assert [left["name"] for left in report["residue"]] == ["filefault.make"]
    assert report["exit_code"] == 13
    assert "NOT UNDONE" in done.stderr

    assert stuck.types("doctor").returncode == 13
    again = stuck.types("run", "stuck.yaml")
    assert again.returncode == 12
    assert "chaoslab undo" in again.stdout + again.stderr
    assert stuck.types("undo").returncode == 13

    (stuck.folder / "fault.repaired").write_text("")
    done = stuck.types("undo", "--json")
    assert done.returncode == 0, done.stdout
    assert [entry["run"] for entry in json.loads(done.stdout)["undone"]] == [report["run"]["id"]]
    assert not (stuck.folder / "fault").exists()

    [folder, _] = stuck.runs()
    told = stuck.types("report", folder, "--json")
    assert json.loads(told.stdout)["residue"] == []
    assert json.loads(told.stdout)["faults"][0]["undone_by"] == "undo"
    assert told.returncode != 13


def test_residue_ends_a_series(stuck):
    done = stuck.types("run", "stuck.yaml", "short.yaml")
    assert done.returncode == 13
    assert "1 exercise did not begin: short.yaml" in done.stderr
    assert len(stuck.runs()) == 1


def test_residue_is_13_also_where_nobody_reads_what_is_told(stuck):
    run = stuck.begins("run", "stuck.yaml", "--json")
    run.stdout.close()
    run.stderr.close()
    assert run.wait(timeout=240) == 13
