"""A short torture: nothing may be left of any run. And one of faults that break the contract, which it must see."""

import random
import subprocess
import sys
from pathlib import Path

import pytest

MAIN = Path(__file__).parent / "support" / "torture_main.py"
FIXED = 20261121


def torture(*words):
    command = [sys.executable, MAIN, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)


@pytest.mark.parametrize("seed", [FIXED, random.SystemRandom().randrange(1 << 32)], ids=["fixed", "random"])
def test_nothing_is_left_of_any_run(seed):
    done = torture("--runs", 12, "--seed", seed, "--minutes", 0.35)
    print(done.stdout)  # the seed, and the command that brings a failure again
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 left something or went wrong" in done.stdout
    assert "a fault bit: 0" not in done.stdout


def test_a_seed_brings_the_same_run_again():
    told = [torture("--seed", FIXED, "--only", 3, "--faults", "broken.undo", "--ways", "none").stdout for _ in range(2)]
    plans = [next(line for line in text.splitlines() if "FAILED" in line).partition("; ended")[0] for text in told]
    assert plans[0] == plans[1]
    assert f"again: scripts/torture --seed {FIXED} --only 3 --faults broken.undo --ways none" in told[0]


def test_an_undo_that_does_nothing_is_caught_and_named():
    done = torture("--runs", 2, "--seed", 1, "--faults", "broken.undo", "--ways", "none")
    assert done.returncode == 1, done.stdout
    assert "target of broken.undo: there is now: files: ['fault']" in done.stdout
    assert " 2 left something or went wrong" in done.stdout


def test_a_process_that_is_forgotten_is_caught_and_named():
    done = torture("--runs", 1, "--seed", 1, "--faults", "broken.process", "--ways", "none", "--patience", 2)
    assert done.returncode == 1, done.stdout
    assert "processes: there is now: sleep 1000" in done.stdout


def test_what_is_no_fault_is_refused_in_one_line():
    done = torture("--faults", "broken.heart")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith("unknown: broken.heart")
