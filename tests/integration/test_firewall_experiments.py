"""Blocked ports and partitions: the twin that waits for the database fails; an unused port proves nothing."""

import pytest
from catalog_files import EXPERIMENTS
from catalog_runs import run as run_file


def run(name, tmp_path, **variables):
    [file] = [file for file in EXPERIMENTS if file.stem == name]
    return run_file(file, tmp_path, **variables)


@pytest.mark.parametrize("name", ["port-blocked", "network-partition"])
def test_the_twin_that_waits_for_its_database_fails(lab, tmp_path, name):
    code, report, said = run(name, tmp_path, duration="4s", service_url=lab["twin"]["url"])
    assert code == 10, said
    missed = {one["name"] for one in report["objectives"] if one["outcome"] == "missed"}
    assert missed & {"availability", "latency_p99"}
    assert report["residue"] == []


def test_a_block_that_refuses_at_once_is_borne_as_well(lab, tmp_path):
    code, report, said = run("port-blocked", tmp_path, duration="1s", how="reject")
    assert code == 0, said
    assert report["faults"][0]["effective_s"] is not None


@pytest.mark.parametrize(
    ("name", "variables"), [("port-blocked", {"port": "9"}), ("network-partition", {"right": "192.0.2.7", "ports": ""})]
)
def test_where_nobody_talks_nothing_is_proved(lab, tmp_path, name, variables):
    code, report, said = run(name, tmp_path, duration="100ms", **variables)
    assert code == 11, said
    assert "fault-without-effect" in {finding["code"] for finding in report["findings"]}


def test_what_would_cut_all_of_loopback_is_refused(lab, tmp_path):
    code, _, said = run("network-partition", tmp_path, ports="")
    assert code == 12
    assert "that is all of loopback" in said
