"""A healthy source under load: drills in a row without a finding that says otherwise."""

import pytest
from postgres_drill import run_drill

pytestmark = pytest.mark.postgres
FORMATS = ["custom", "directory"]


@pytest.mark.parametrize("number", range(1, 5))
def test_a_clean_run(number, lab, state, tmp_path):
    report = run_drill(tmp_path, f"format={FORMATS[number % 2]}")
    assert (report.outcome, report.exit_code) == ("passed", 0), report
    assert report.codes("failure") | report.codes("unknown") | report.codes("warning") == set(), report
    assert report.data["residue"] == []
    rpo = report.objectives["rpo"]["actual"]
    assert 0 <= rpo["low"] <= rpo["high"] < 60
    assert report.data["figures"]["lost_rows"]["value"] >= 0
    phases = [phase["name"] for phase in report.data["rto_phases"]]
    assert phases == ["detect", "fetch", "provision", "restore", "serve", "verify"]
