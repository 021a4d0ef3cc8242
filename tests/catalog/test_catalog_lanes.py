"""Every experiment of the catalog runs in one lane, and in one only: the one that `catalog_files` names."""

import os
import re
import subprocess
import sys
from collections import Counter

import pytest
from catalog_files import ELSEWHERE, EXPERIMENTS, ROOT, USUAL, files_of, name_of

LANES = [USUAL, *ELSEWHERE]


def test_the_table_names_files_that_are_there_and_each_once():
    named = Counter(name for names in ELSEWHERE.values() for name in names)
    assert set(named) - {name_of(file) for file in EXPERIMENTS} == set(), "no such file"
    assert [name for name, times in named.items() if times > 1] == [], "in two lanes"
    run = Counter(file for lane in LANES for file in files_of(lane))
    assert run == Counter(EXPERIMENTS)


@pytest.mark.parametrize("lane", LANES)
def test_a_lane_runs_all_its_experiments_to_passed(lane):
    """What is collected, and not marked as skipped, is run; and it is `passes` that runs it."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-m", "catalog", "-p", "no:cacheprovider"]
    environment = os.environ | {"PYTEST_ADDOPTS": ""}
    done = subprocess.run(
        [*command, f"tests/{lane}"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    tests = re.findall(rf"^(tests/{lane}/\S+\.py)::(\S+)\[(\S+)\]$", done.stdout, re.MULTILINE)
    assert sorted(name for _, _, name in tests) == sorted(map(name_of, files_of(lane)))
    for file, test in {(file, test) for file, test, _ in tests}:
        text = (ROOT / file).read_text()
        body = re.search(rf"^def {test}\(.*?(?=^\S|\Z)", text, re.MULTILINE | re.DOTALL)
        assert body is not None
        assert re.search(r"\bpasses\(file, ", body[0]), f"{test} of {file} does not run its file to passed"
        assert "skip" not in text, f"{file} may leave an experiment out, and nobody would have run it"


def test_the_page_for_contributors_says_the_same():
    page = (ROOT / "CONTRIBUTING.md").read_text()
    for lane, names in ELSEWHERE.items():
        [row] = re.findall(rf"^\| `{lane}` \| (`.*`) \| .* \|$", page, re.MULTILINE)
        assert row == ", ".join(f"`{name.rpartition('/')[2]}`" for name in names)
