"""list, show and check, on a catalog of the test's own."""

import json
import os
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest

from chaoslab.cli.main import main

GOOD = """\
title: A process stands still
description: What a hung process looks like to others.
configuration:
  pid_file: /run/service.pid
  url: "lab:service.url"
  pace:
    type: env
    key: PACE
    default: slow
extensions:
  - name: chaoslab
    kind: experiment
    domain: process
    blast_radius: one process
    targets:
      - {kind: process, address: "${pid_file}"}
    objectives: {recovery: 5s}
    probers: [{name: service, url: "${url}"}]
controls:
  - {name: chaoslab, provider: {type: python, module: chaoslab.engine.control}}
steady-state-hypothesis:
  title: it answers
  probes:
    - name: it-answers
      type: probe
      tolerance: 200
      provider: {type: http, url: "${url}", timeout: 3}
method:
  - name: pause-it
    type: action
    provider:
      type: python
      module: chaoslab.process.actions
      func: pause
      arguments: {pid_file: "${pid_file}", ttl: 20s}
"""
FOREIGN = """\
title: Somebody's own
description: Written for plain Chaos Toolkit.
method:
  - name: touch-it
    type: action
    provider: {type: process, path: "true"}
"""


@pytest.fixture
def catalog(tmp_path):
    folder = tmp_path / "catalog" / "experiments" / "process"
    folder.mkdir(parents=True)
    (folder / "stands-still.yaml").write_text(GOOD)
    (tmp_path / "foreign.yaml").write_text(FOREIGN)
    (tmp_path / "empty").mkdir()
    return tmp_path


@pytest.fixture
def run(catalog, monkeypatch, capsys):
    """Call the command line in the catalog's folder, in this process."""
    monkeypatch.chdir(catalog)
    monkeypatch.setenv("CHAOSLAB_CATALOG", str(catalog / "catalog"))
    monkeypatch.setenv("XDG_STATE_HOME", str(catalog / "state"))

    def call(*arguments):
        code = main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return SimpleNamespace(returncode=code, stdout=out, stderr=err)

    return call


def test_list_json_keeps_its_contract(run):
    done = run("list", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    entry = {entry["name"]: entry for entry in json.loads(done.stdout)}["stands-still"]
    assert set(entry) == {"name", "kind", "title", "domain", "needs", "objectives"}
    assert entry["kind"] == "experiment"
    assert entry["domain"] == "process"
    [objective] = entry["objectives"]
    assert (objective["name"], objective["target"], objective["of"]) == ("recovery", 5.0, "service")


def test_list_is_a_table(run):
    lines = run("list").stdout.splitlines()
    assert lines[0].split() == ["NAME", "KIND", "TITLE", "OBJECTIVES"]
    assert any(re.match(r"stands-still +experiment +A process stands still +recovery of", line) for line in lines)


def test_a_bad_file_is_told_and_hides_no_other(run, catalog):
    (catalog / "catalog/experiments/process/bad.yaml").write_text("title: 5\nmethod: [\n")
    done = run("list", "--json")
    assert done.returncode == 0
    assert "stands-still" in {entry["name"] for entry in json.loads(done.stdout)}
    assert "bad is not listed: " in done.stderr
    assert "bad.yaml:" in done.stderr


def test_two_of_one_name_are_listed_with_their_folders(run, catalog):
    other = catalog / "catalog/experiments/network"
    other.mkdir()
    (other / "stands-still.yaml").write_text(GOOD)
    names = {entry["name"] for entry in json.loads(run("list", "--json").stdout)}
    assert {"process/stands-still", "network/stands-still"} <= names


def test_show_tells_what_it_does_and_how_it_is_undone(run):
    done = run("show", "stands-still")
    assert (done.returncode, done.stderr) == (0, "")
    for words in (
        "A process stands still",
        "Blast radius: one process",
        "${pid_file}",
        "recovery of service at most 5s",
        "/run/service.pid",
        "from the lab: service.url",
        "$PACE, else slow",
        "undo: SIGCONT",
    ):
        assert words in done.stdout


def test_show_as_data(run):
    shown = json.loads(run("show", "stands-still", "--json").stdout)
    assert shown["variables"]["pid_file"] == "/run/service.pid"
    assert [step["phase"] for step in shown["steps"]] == ["baseline", "inject", "verify"]
    assert shown["steps"][1]["undo"].startswith("SIGCONT")


def test_show_of_a_foreign_file_says_what_is_unknown(run):
    done = run("show", "foreign.yaml")
    assert done.returncode == 0
    assert "written for plain Chaos Toolkit" in done.stdout


def test_check_of_good_files(run):
    done = run("check", "stands-still")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "1 file checked, no problem\n")


def test_check_tells_every_problem_with_its_place(run, catalog):
    bad = GOOD.replace("recovery: 5s", "recvery: 5s").replace("ttl: 20s", "tttl: 20s")
    (catalog / "bad.yaml").write_text(bad)
    done = run("check", "bad.yaml", "stands-still")
    assert done.returncode == 2
    lines = done.stdout.splitlines()
    assert len(lines) >= 1
    assert all(line.startswith("bad.yaml:") for line in lines)
    assert "did you mean 'recovery'?" in done.stdout
    assert "in 1 of 2 files" in done.stderr


def test_check_as_data(run, catalog):
    (catalog / "bad.yaml").write_text(GOOD.replace("recovery: 5s", "recovery: 5"))
    done = run("check", "bad.yaml", "foreign.yaml", "--json")
    assert done.returncode == 2
    found = json.loads(done.stdout)
    assert {item["severity"] for item in found["findings"]} >= {"error", "warning"}
    first = next(item for item in found["findings"] if item["fatal"])
    assert (first["file"], first["line"]) == ("bad.yaml", 1 + GOOD[: GOOD.index("recovery")].count("\n"))


def test_a_warning_is_no_failure(run):
    done = run("check", "foreign.yaml")
    assert done.returncode == 0
    assert "warning: " in done.stdout
    assert "1 warning" in done.stderr


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("stands-stil", "did you mean 'stands-still'?"),
        ("nowhere.yaml", "there is no file nowhere.yaml"),
        ("empty", "is a folder without"),
    ],
)
@pytest.mark.parametrize("command", ["show", "check"])
def test_what_does_not_exist_is_one_clear_line(run, command, name, told):
    done = run(command, name)
    assert done.returncode == 2
    assert told in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("text", [b"\xff\xfe\x00t", b"title: [\n", b"", b"- a list\n", b"title: \x00\n"])
def test_whatever_the_bytes_are_the_answer_is_a_place(run, catalog, text):
    (catalog / "odd.yaml").write_bytes(text)
    for command in ("show", "check"):
        done = run(command, "odd.yaml")
        assert done.returncode == 2
        assert "odd.yaml:1:" in done.stdout + done.stderr or "odd.yaml:2:" in done.stdout + done.stderr
        assert "Traceback" not in done.stderr


def test_schema_describes_the_file(run):
    done = run("check", "--schema")
    assert done.returncode == 0
    schema = json.loads(done.stdout)
    assert schema["type"] == "object"
    assert "extensions" in schema["properties"]


def test_check_of_nothing_is_bad_usage(run):
    done = run("check")
    assert done.returncode == 2
    assert "--schema" in done.stderr


def test_a_shell_completes_names(catalog):
    done = subprocess.run(
        [sys.executable, "-m", "chaoslab"],
        cwd=catalog,
        env=os.environ
        | {
            "CHAOSLAB_CATALOG": str(catalog / "catalog"),
            "_CHAOSLAB_COMPLETE": "bash_complete",
            "COMP_WORDS": "chaoslab show stands",
            "COMP_CWORD": "2",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.stdout.splitlines() == ["plain,stands-still"]
