"""What the runner of the lanes makes of a test that fails."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ONCE = """
from pathlib import Path

def test_that_fails_the_first_time():
    flag = Path(__file__).with_suffix(".asked")
    asked = flag.exists()
    flag.touch()
    assert asked

def test_beside_it():
    pass
"""
PASSES = "def test_that_passes():\n    pass\n"
FAILS = "def test_that_fails():\n    assert 1 == 2\n"
DIES = "import os\n\ndef test_that_takes_pytest_along():\n    os._exit(0)\n"
SPOILS = """
import pytest, resource

def test_that_spoils_what_pytest_writes():
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, 1))
"""


@pytest.fixture
def lanes(tmp_path):
    """Return what runs lanes, each of which has one file of tests, in a repository of their own."""
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts/lanes.py", tmp_path / "scripts")

    def run(**texts):
        for lane, text in texts.items():
            (tmp_path / "tests" / lane).mkdir(parents=True)
            (tmp_path / "tests" / lane / f"test_{lane}.py").write_text(text)
        command = [sys.executable, "scripts/lanes.py", *texts]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)

    return run


def test_what_fails_beside_another_lane_is_asked_once_more_alone(lanes):
    done = lanes(contract=ONCE, catalog=PASSES)
    assert done.returncode == 0, done.stdout
    assert "unsteady, passed when it ran alone: tests.contract.test_contract::test_that_fails_the_first_time" in (
        done.stdout
    )
    assert done.stdout.endswith("3 passed, 0 failed, 0 skipped\n")


@pytest.mark.parametrize(("lane", "text"), [("contract", FAILS), ("unit", ONCE)])
def test_what_fails_alone_too_or_in_a_strict_lane_has_failed(lanes, lane, text):
    done = lanes(**{lane: text, "catalog": PASSES})
    assert done.returncode == 1
    assert f"failed: tests.{lane}.test_{lane}::" in done.stdout
    assert " 1 failed, 0 skipped\n" in done.stdout


def test_a_lane_by_itself_is_asked_once(lanes):
    assert lanes(contract=ONCE).returncode == 1


def test_each_lane_is_told_to_contributors_and_has_tests():
    lanes = re.findall(r'Lane\(\s*"(\w+)"', (ROOT / "scripts/lanes.py").read_text())
    table = (ROOT / "CONTRIBUTING.md").read_text().partition("| lane | holds | needs |")[2].partition("\n\n")[0]
    told = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)
    assert told == lanes
    assert {file.relative_to(ROOT / "tests").parts[0] for file in ROOT.glob("tests/*/**/test_*.py")} == set(lanes)


@pytest.mark.parametrize("text", [DIES, SPOILS])
def test_a_lane_of_which_nobody_knows_what_came_has_not_passed(lanes, text):
    done = lanes(contract=text, catalog=PASSES)
    assert done.returncode == 1
    assert "contract     FAILED" in done.stdout
    assert "Traceback" not in done.stderr
