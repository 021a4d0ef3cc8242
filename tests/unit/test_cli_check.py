"""`chaoslab check` as a person and a job call it: folders, formats, baseline, exit codes."""

import json
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from types import SimpleNamespace

import pytest

sys.path.append(str(Path(__file__).parent / "support"))

from json_schema import problems

from chaoslab.cli.main import main
from chaoslab.report import checked

DANGEROUS = """\
title: Pods go
description: All of them.
steady-state-hypothesis:
  title: it answers
  probes:
    - name: it-answers
      type: probe
      tolerance: true
      provider: {type: http, url: "http://x", timeout: 1}
method:
  - name: kill
    type: action
    provider: {type: python, module: chaosk8s.pod.actions, func: terminate_pods}
    pauses: {after: 5}
"""
DOUBTFUL = DANGEROUS.replace("tolerance: true", "tolerance: 200").replace(
    "func: ", "arguments: {label_selector: a=b}, func: "
)
DOUBTFUL = DOUBTFUL.replace(", timeout: 1", "")
CLEAN = DOUBTFUL.replace('"http://x"', '"http://x", timeout: 1')


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Call the command line in a folder of its own, in this process."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CHAOSLAB_CATALOG", "")

    def call(*arguments):
        code = main(["check", *map(str, arguments)])
        out, err = capsys.readouterr()
        return SimpleNamespace(returncode=code, stdout=out, stderr=err)

    return call


@pytest.fixture
def folder(tmp_path):
    """Make a folder with three exercises, and what lies beside such."""
    home = tmp_path / "chaos"
    (home / "deep" / ".git").mkdir(parents=True)
    (home / "pods.yaml").write_text(DANGEROUS)
    (home / "deep" / "doubt.yml").write_text(DOUBTFUL)
    (home / "clean.json").write_text(json.dumps(__import__("yaml").safe_load(CLEAN)))
    (home / "values.yaml").write_text("title: values\nreplicas: 3\n")
    (home / "journal.json").write_text('{"chaoslib-version": "1", "experiment": {"steady-state-hypothesis": {}}}')
    (home / "deep" / ".git" / "hidden.yaml").write_text(DANGEROUS)
    return home


def test_a_folder_is_searched_for_exercises(run, folder):
    done = run("chaos")
    assert done.returncode == 10
    assert {line.partition(":")[0] for line in done.stdout.splitlines()} == {"chaos/pods.yaml", "chaos/deep/doubt.yml"}
    assert "2 errors, 1 warning in 2 of 3 files" in done.stderr


def test_a_line_has_all_that_an_editor_needs(run, folder):
    line = run("chaos/pods.yaml").stdout.splitlines()[-1]
    assert line.startswith("chaos/pods.yaml:13:5: error: method[0].provider: without label_selector")
    assert line.endswith("; add label_selector, such as app=NAME [no-selector]")


@pytest.mark.parametrize(
    ("file", "options", "code"),
    [
        ("clean.json", (), 0),
        ("clean.json", ("--strict",), 0),
        ("deep/doubt.yml", (), 0),
        ("deep/doubt.yml", ("--strict",), 10),
        ("pods.yaml", (), 10),
        ("nowhere.yaml", (), 2),
    ],
)
def test_exit_codes(run, folder, file, options, code):
    assert run(folder / file, *options).returncode == code


def test_what_cannot_be_run_outranks_what_is_dangerous(run, folder):
    (folder / "broken.yaml").write_text("title: [\nsteady-state-hypothesis:\n")
    assert run("chaos").returncode == 2


def test_notes_are_shown_when_asked_for(run, folder):
    assert "note: " not in run("chaos/pods.yaml").stdout
    assert "note: " in run("chaos/pods.yaml", "--notes").stdout


@pytest.mark.parametrize("names", [("chaos",), ("chaos/clean.json",), ("nowhere.yaml", "chaos")])
def test_json_keeps_its_schema(run, folder, names):
    done = run(*names, "--format", "json")
    data = json.loads(done.stdout)
    schema = json.loads((Path(checked.__file__).parent / "check.schema.json").read_text())
    assert problems(data, schema) == []
    assert data["exit_code"] == done.returncode
    assert data["errors"] == sum(finding["severity"] == "error" for finding in data["findings"])
    assert json.loads(run(*names, "--json").stdout) == data


def test_github_shows_findings_at_their_lines(run, folder):
    (folder / "odd%,name.yaml").write_text(DANGEROUS)
    lines = run("chaos", "--format", "github").stdout.splitlines()
    assert "::error file=chaos/pods.yaml,line=13,col=5,title=chaoslab%3A no-selector::" in "\n".join(lines)
    assert any(line.startswith("::error file=chaos/odd%25%2Cname.yaml,") for line in lines)
    assert any(line.startswith("::warning file=chaos/deep/doubt.yml,") for line in lines)


def test_a_baseline_accepts_what_is_there_and_tells_what_is_new(run, folder):
    written = run("chaos", "--baseline", "base.json", "--write-baseline")
    assert (written.returncode, written.stdout) == (0, "")
    same = run("chaos", "--baseline", "base.json")
    assert (same.returncode, same.stdout) == (0, "")
    assert "accepted before" in same.stderr
    # Lines move, steps move, and one new fault comes.
    moved = DANGEROUS.replace(
        "method:\n",
        "# a comment\n\nmethod:\n  - {name: first, type: probe, provider: {type: python, module: a.b, func: c}}\n",
    )
    (folder / "pods.yaml").write_text(moved)
    assert run("chaos", "--baseline", "base.json").returncode == 0
    (folder / "pods.yaml").write_text(moved.replace("http://x", "http://me:hunter2@x"))
    new = run("chaos", "--baseline", "base.json")
    assert new.returncode == 10
    assert [line.rpartition("[")[2] for line in new.stdout.splitlines()] == ["secret-in-clear]"]


def test_what_was_accepted_and_is_mended_is_told(run, folder):
    run("chaos", "--baseline", "base.json", "--write-baseline")
    (folder / "pods.yaml").write_text(CLEAN)
    assert "of the baseline are gone" in run("chaos", "--baseline", "base.json").stderr
    assert "gone" not in run("chaos/clean.json", "--baseline", "base.json").stderr


def test_a_baseline_is_found_again_from_elsewhere(run, folder, monkeypatch):
    run("chaos", "--baseline", "chaos/base.json", "--write-baseline")
    monkeypatch.chdir(folder / "deep")
    assert run("..", "--baseline", "../base.json").stdout == ""


@pytest.mark.parametrize(
    "text", ["", "[]", '{"schema": "other/1", "accepted": []}', '{"accepted": [{"file": 1}]}', "[" * 99999]
)
def test_what_is_no_baseline_is_one_clear_line(run, folder, text):
    Path("base.json").write_text(text)
    done = run("chaos", "--baseline", "base.json")
    assert done.returncode == 2
    assert "base.json" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_baseline_that_never_ends_is_one_clear_line(run, folder):
    done = run("chaos", "--baseline", "/dev/zero")
    assert (done.returncode, "is longer than 20,000,000 characters" in done.stderr) == (2, True)


def test_a_baseline_of_nothing_and_one_that_is_not_there(run, folder):
    assert run("chaos", "--write-baseline").returncode == 2
    assert run("nowhere.yaml", "--baseline", "base.json", "--write-baseline").returncode == 2
    assert not Path("base.json").exists()
    assert "--write-baseline makes it" in run("chaos", "--baseline", "base.json").stderr


def test_nothing_of_a_file_is_run_or_needed(tmp_path):
    """Check a file whose modules, programs and variables do not exist, without Chaos Toolkit in the process."""
    (tmp_path / "theirs.py").write_text("raise SystemExit('imported')")
    file = tmp_path / "a.yaml"
    file.write_text(DANGEROUS.replace("chaosk8s.pod.actions", "theirs").replace("terminate_pods", "act"))
    code = (
        "import sys; from chaoslab.cli.main import main; main(['check', 'a.yaml']);"
        "sys.exit(any(name.partition('.')[0] in ('chaoslib', 'pydantic', 'theirs') for name in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


MANIFEST = """\
apiVersion: v1
kind: Namespace
metadata: {name: chaos}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: experiments
data:
  notes.txt: |
    title: not this one
  pods.yaml: |
%s
---
apiVersion: batch/v1
kind: CronJob
"""


def test_an_experiment_in_a_config_map_is_checked_where_it_stands(run, tmp_path):
    text = MANIFEST % textwrap.indent(DANGEROUS, "    ")
    (tmp_path / "job.yaml").write_text(text)
    (tmp_path / "engine.yaml").write_text("apiVersion: v1\nkind: ChaosEngine\ntitle: x\nmethod:\n  - x\n")
    for name in (tmp_path, tmp_path / "job.yaml"):
        told = run(name)
        assert told.returncode == 10
        places = re.findall(r"job.yaml:(\d+):(\d+): ", told.stdout)
        assert places == [("20", "11"), ("25", "9")]
        assert text.splitlines()[24][8:].startswith("provider: {type: python")
    told = run(tmp_path / "engine.yaml")
    assert told.returncode == 2
    assert "is a Kubernetes manifest (ChaosEngine) without a Chaos Toolkit experiment" in told.stdout


def test_a_comment_in_json_is_called_one(run, tmp_path):
    (tmp_path / "x.json").write_text('{"title": "t", # ours\n "method": []}')
    assert "1:16: error: JSON has no comments" in run(tmp_path / "x.json").stdout


OURS = """\
title: It stands still
description: For a while.
steady-state-hypothesis:
  title: it answers
  probes:
    - {name: asks, type: probe, tolerance: 200, provider: {type: http, url: "http://x", timeout: 1}}
method:
  - name: pause
    type: action
    provider:
      type: python
      module: chaoslab.process.actions
      func: pause
      arguments: {port: 8080}
"""


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("port:", "prot:"), "unexpected keyword argument 'prot'; it takes pid_file, pid, unit"),
        (("func: pause", "func: paus"), "has no function 'paus'; did you mean 'pause'?"),
        (("process.actions", "procces.actions"), "cannot import chaoslab.procces.actions"),
        (("port: 8080", "port: [1]"), "14:25: error: method[0].provider.arguments.port: must be text, and is a list"),
        (("port: 8080", "port: $where"), ""),
        (("port:", "port:"), ""),
    ],
)
def test_what_is_called_of_ours_is_looked_up(run, tmp_path, change, told):
    (tmp_path / "x.yaml").write_text(OURS.replace(*change))
    done = run(tmp_path / "x.yaml")
    assert done.returncode == (2 if told else 0)
    assert told in done.stdout


THEIRS = """\
import signal as s
from asyncio import get_event_loop
raise SystemExit("importing it is wrong")
def act():
    _limited()
def _limited():
    s.signal(s.SIGALRM, print)
def loop():
    return get_event_loop()
def well():
    s.raise_signal(0)
"""


@pytest.mark.parametrize(("func", "call"), [("act", "signal.signal"), ("loop", "asyncio.get_event_loop"), ("well", "")])
def test_the_source_of_a_background_step_is_read(run, tmp_path, func, call):
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "__init__.py").write_text("raise SystemExit")
    (tmp_path / "theirs" / "acting.py").write_text(THEIRS)
    step = f"    background: true\n    provider: {{type: python, module: theirs.acting, func: {func}}}\n"
    text = OURS.partition("    provider:\n      type: python\n")[0]
    (tmp_path / "x.yaml").write_text(text + step)
    told = run(tmp_path / "x.yaml").stdout
    assert (f"10:5: error: method[0].background: theirs.acting.{func} calls {call}" in told) is bool(call)
    assert ("[main-thread]" in told) is bool(call)
