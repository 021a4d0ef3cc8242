"""What the manuals show can be typed as it stands, and the demo shows what it says."""

import inspect
import json
import shlex
import shutil
from pathlib import Path

import click
import pytest
import yaml

from chaoslab.cli.main import COMMANDS, group

ROOT = Path(__file__).resolve().parents[2]
THEIRS = {
    "title": "The network is slow",
    "description": "Somebody else's.",
    "method": [
        {
            "type": "action",
            "name": "slow",
            "provider": {"type": "process", "path": "tc", "arguments": "qdisc add dev eth0 root netem delay 100ms"},
        }
    ],
    "rollbacks": [
        {
            "type": "action",
            "name": "fast",
            "provider": {"type": "process", "path": "tc", "arguments": "qdisc del dev eth0 root netem"},
        }
    ],
}
RUN_FOLDER = "reports/20260131T235959Z-postgres-restore"


def leaves(command):
    """A command, or the commands of a group."""
    if isinstance(command, click.Group):
        return [leaf for inner in command.commands.values() for leaf in leaves(inner)]
    return [command]


def examples_of(command):
    """The lines of a manual's examples."""
    shown = inspect.cleandoc(command.help or "").partition("Examples:")[2].splitlines()
    return [line.strip() for line in shown if line.strip()]


LEAVES = [leaf for name in COMMANDS for leaf in leaves(group.get_command(click.Context(group), name))]
EXAMPLES = [line for leaf in LEAVES for line in examples_of(leaf)]
OF_A_LAB = [line for line in EXAMPLES if line.startswith(("chaoslab lab", "chaoslab demo"))]
OTHERS = [line for line in EXAMPLES if line not in OF_A_LAB]


def test_there_are_examples():
    assert len(EXAMPLES) >= len(LEAVES)
    assert all(line.startswith("chaoslab ") for line in EXAMPLES)


@pytest.fixture(scope="module")
def drilled(owner):
    """The run folder of a drill, for the examples that name one."""
    done = owner.types("run", "postgres-restore", "--reports", "drilled", "--json")
    assert done.returncode == 0, done.stderr
    [folder] = (owner.folder / "drilled").iterdir()
    return folder


@pytest.mark.parametrize("example", OTHERS)
def test_an_example_can_be_typed_as_it_stands(person, drilled, example):
    shutil.copytree(drilled, person.folder / RUN_FOLDER)
    shutil.copytree(ROOT / "experiments" / "process", person.folder / "experiments" / "network")
    for name, text in (("theirs.json", json.dumps(THEIRS)), ("theirs.yaml", yaml.safe_dump(THEIRS))):
        (person.folder / name).write_text(text)
    done = person.types(*shlex.split(example)[1:])
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    if "--json" in example:
        json.loads(done.stdout)


def test_the_lab_is_started_looked_at_and_stopped_as_its_manual_says(newcomer):
    states = []
    for example in OF_A_LAB:
        if "demo" not in example:
            done = newcomer.types(*shlex.split(example)[1:])
            assert done.returncode == 0, f"{example}: {done.stdout}{done.stderr}"
            states.append(json.loads(newcomer.types("lab", "status", "--json").stdout)["state"])
    assert states == ["running"] * (len(states) - 2) + ["stopped", "stopped"]


@pytest.mark.parametrize("keep", [False, True])
def test_the_demo_shows_a_drill_and_an_experiment(newcomer, tmp_path, keep):
    assert newcomer.types("lab", "start").returncode == newcomer.types("lab", "stop").returncode == 0
    done = newcomer.types("demo", "--reports", tmp_path / "reports", *["--keep"] * keep)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("PASSED") == 2
    runs = sorted((tmp_path / "reports").iterdir())
    assert [path.name.partition("-")[2] for path in runs] == ["postgres-restore", "database-blocked"]
    assert all(f"report: {path}/report.md" in done.stdout for path in runs)
    state = json.loads(newcomer.types("lab", "status", "--json").stdout)["state"]
    assert state == ("running" if keep else "stopped")
