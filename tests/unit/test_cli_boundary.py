"""Whatever goes wrong becomes words on stderr and an exit code."""

import subprocess
import sys
from pathlib import Path

import click
import pytest

from chaoslab.cli.boundary import guarded
from chaoslab.core.errors import BadFile, BadUsage, ChaoslabError, ExitCode, Missing, Problem, Refused, Residue

SECRET = "hunter2-and-more"
DSN = f"postgresql://me:{SECRET}@db.example/shop"


def raising(error):
    def call():
        raise error

    return call


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.delenv("CHAOSLAB_DEBUG", raising=False)
    return tmp_path / "chaoslab"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (BadUsage("no such name"), 2),
        (Refused("lock", "somebody is at work"), 12),
        (Missing("psycopg", "pip install 'chaoslab[pg]'"), 12),
        (Residue("cannot undo it"), 13),
        (ChaoslabError("it broke"), 1),
    ],
)
def test_an_error_of_ours_is_one_line_and_its_code(error, code, capsys):
    assert guarded(raising(error)) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err == f"chaoslab: {error}\n"


def test_every_problem_of_a_file_begins_its_own_line(capsys):
    problems = [Problem("a.yaml", line, 1, "x", "is wrong") for line in (1, 2)]
    assert guarded(raising(BadFile(problems))) == 2
    assert capsys.readouterr().err == "a.yaml:1:1: is wrong\na.yaml:2:1: is wrong\n"


def test_no_password_in_an_error(capsys):
    assert guarded(raising(BadUsage(f"cannot connect to {DSN}"))) == 2
    assert SECRET not in capsys.readouterr().err


def test_a_traceback_is_shown_on_request(capsys, monkeypatch):
    monkeypatch.setenv("CHAOSLAB_DEBUG", "1")
    assert guarded(raising(BadUsage(f"cannot connect to {DSN}"))) == 2
    err = capsys.readouterr().err
    assert "Traceback (most recent call last)" in err
    assert SECRET not in err


def test_a_crash_is_kept_in_a_file_without_secrets(capsys, state):
    assert guarded(raising(ZeroDivisionError(f"dividing {DSN}\nby zero"))) == 1
    err = capsys.readouterr().err
    assert err.startswith("chaoslab: internal error: ZeroDivisionError: dividing")
    assert len(err.splitlines()) == 1
    [kept] = (state / "crashes").iterdir()
    assert str(kept) in err
    assert "Traceback (most recent call last)" in kept.read_text()
    assert SECRET not in kept.read_text() + err
    assert kept.stat().st_mode & 0o077 == 0


def test_a_crash_is_kept_elsewhere_when_the_state_folder_is_none(capsys, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    assert guarded(raising(RuntimeError("odd"))) == 1
    kept = Path(capsys.readouterr().err.strip().rpartition(" ")[2])
    try:
        assert "RuntimeError: odd" in kept.read_text()
    finally:
        kept.unlink()


@pytest.mark.parametrize("error", [KeyboardInterrupt(), click.Abort()])
def test_an_interruption_is_130(error, capsys):
    assert guarded(raising(error)) == 130
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(("returned", "code"), [(None, 0), (0, 0), (10, 10)])
def test_what_a_command_returns_is_the_exit_code(returned, code):
    assert guarded(lambda: returned) == code


def test_a_broken_pipe_is_quiet():
    program = (
        "import sys; from chaoslab.cli.boundary import guarded\n"
        "def call():\n    sys.stdout.write('x' * 1_000_000)\n    return 10\n"
        "sys.exit(guarded(call))"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(timeout=240) == 141
        assert process.stderr is not None
        assert process.stderr.read() == b""


def test_no_password_of_the_command_line_in_the_file_of_a_crash(state, monkeypatch, capsys):
    dsn = f"source=host=db password='it\\'s {SECRET}' dbname=x"
    monkeypatch.setattr(sys, "argv", ["chaoslab", "run", "x", "--var", dsn])
    assert guarded(raising(RuntimeError("boom"))) == 1
    (kept,) = (state / "crashes").iterdir()
    assert SECRET not in kept.read_text()


@pytest.mark.parametrize("command", [["list"], ["list", "--json"], ["--help"]])
def test_an_answer_that_cannot_be_written_is_one_line_and_no_verdict(command):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "chaoslab", *command], stdout=full, stderr=subprocess.PIPE, text=True, timeout=240
        )
    assert done.returncode == ExitCode.BROKEN
    assert done.stderr == "chaoslab: standard output cannot be written: No space left on device\n"
