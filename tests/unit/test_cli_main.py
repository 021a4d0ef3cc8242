"""The group of commands: quick to start, and clear about what it does not understand."""

import json
import os
import re
import subprocess
import sys

import click
import pytest

from chaoslab.cli.completion import SHELLS
from chaoslab.cli.main import COMMANDS, group, main

HEAVY = {
    "chaoslib",
    "pydantic",
    "yaml",
    "psycopg",
    "rich",
    "requests",
    "urllib3",
    "asyncio",
    "importlib.metadata",
    "subprocess",
    "json",
}
HEAVY_FOR_A_FOREIGN_FILE = {
    "pydantic",
    "pydantic_core",
    "rich",
    "psycopg",
    "asyncio",
    "difflib",
    "chaoslab.core.extension",
}
LOADED = """
import sys
from chaoslab.cli.main import main
code = main(sys.argv[1:])
print(*sorted(sys.modules), file=sys.stderr)
sys.exit(code)
"""


def run(*arguments, **variables):
    return subprocess.run(
        [sys.executable, "-m", "chaoslab", *arguments],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["--version"]])
def test_help_loads_nothing_heavy_and_no_command(arguments):
    done = subprocess.run(
        [sys.executable, "-c", LOADED, *arguments], capture_output=True, text=True, check=True, timeout=240
    )
    loaded = set(done.stderr.split())
    assert loaded & HEAVY == set()
    assert {name for name in loaded if name.startswith("chaoslab")} == {
        "chaoslab",
        "chaoslab.cli",
        "chaoslab.cli.main",
        "chaoslab.cli.boundary",
        "chaoslab.core",
        "chaoslab.core.errors",
    }


def test_running_a_file_without_our_extension_loads_nothing_that_it_does_not_need(tmp_path):
    nothing = {"type": "python", "module": "os", "func": "getpid"}
    probe = {"type": "probe", "name": "pid", "tolerance": {"type": "range", "range": [1, 2**31]}, "provider": nothing}
    experiment = {
        "title": "Nothing happens",
        "description": "An empty probe and an empty action.",
        "steady-state-hypothesis": {"title": "There is a process", "probes": [probe]},
        "method": [{"type": "action", "name": "nothing", "provider": nothing}],
    }
    (tmp_path / "nothing.json").write_text(json.dumps(experiment))
    done = subprocess.run(
        [sys.executable, "-c", LOADED, "run", "nothing.json"],
        cwd=tmp_path,
        env=os.environ | {"XDG_STATE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
        timeout=240,
    )
    assert "PASSED" in done.stdout
    loaded = set(done.stderr.split())
    assert "chaoslib" in loaded
    assert loaded & HEAVY_FOR_A_FOREIGN_FILE == set()


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_tells_what_the_list_says_of_it(name):
    command = group.get_command(None, name)
    assert command.get_short_help_str(limit=200).rstrip(".") == COMMANDS[name].rstrip(".")


def leaves(command, name):
    """A command, or the commands of a group."""
    if isinstance(command, click.Group):
        return [leaf for key, inner in command.commands.items() for leaf in leaves(inner, f"{name} {key}")]
    return [(name, command)]


LEAVES = [leaf for name in COMMANDS for leaf in leaves(group.get_command(None, name), name)]


@pytest.mark.parametrize(("name", "command"), LEAVES, ids=[name for name, _ in LEAVES])
def test_the_help_of_a_command_is_its_manual(name, command, capsys):
    assert main([*name.split(), "--help"]) == 0
    told = capsys.readouterr().out
    assert f"chaoslab {name.split()[0]}" in told.partition("Examples:")[2]
    assert max(map(len, told.splitlines())) <= 100
    undocumented = [option.name for option in command.params if isinstance(option, click.Option) and not option.help]
    assert undocumented == []


def test_version():
    assert re.fullmatch(r"chaoslab \d+\.\d+\.\d+\S*\n", run("--version").stdout)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["rnu"], "no command 'rnu'"),
        (["dotcor"], "did you mean 'doctor'?"),
        (["--verison"], "--version"),
        (["undo", "--forse"], "--force"),
        (["undo", "extra"], "extra"),
        (["report"], "FOLDER"),
        (["completion", "powershell"], "powershell"),
    ],
)
def test_bad_usage_is_told_in_short(arguments, told):
    done = run(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) <= 5


def test_no_command_shows_the_help():
    done = run()
    assert done.returncode in {0, 2}
    assert "postgres" not in done.stderr.lower()
    assert "Commands:" in done.stdout + done.stderr


@pytest.mark.parametrize("shell", SHELLS)
def test_completion_prints_a_script(shell):
    done = run("completion", shell)
    assert done.returncode == 0
    assert f"_CHAOSLAB_COMPLETE={shell}_complete" in done.stdout


@pytest.mark.parametrize(("typed", "wanted"), [("dem", ["demo"]), ("do", ["doctor"]), ("", list(COMMANDS))])
def test_a_shell_completes_commands(typed, wanted):
    done = run(_CHAOSLAB_COMPLETE="bash_complete", COMP_WORDS=f"chaoslab {typed}", COMP_CWORD="1")
    assert [line.partition(",")[2] for line in done.stdout.splitlines()] == wanted


def test_a_reader_that_goes_away_is_no_error():
    done = subprocess.run(
        ["bash", "-c", 'set -o pipefail; "$0" -m chaoslab completion bash | true', sys.executable],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.stderr == ""
    assert done.returncode in {0, 141}


def test_the_group_knows_no_other_command():
    context = click.Context(group)
    assert group.get_command(context, "main") is None
    assert group.list_commands(context) == list(COMMANDS)
