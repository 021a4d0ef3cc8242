"""What others named cannot steer the terminal of who reads it."""

import re
from pathlib import Path

import click
import pytest

from chaoslab.cli.boundary import tell_error
from chaoslab.cli.main import main
from chaoslab.cli.terminal import harmless, say, styled
from chaoslab.core.errors import ChaoslabError


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, ünïcode ✓", "plain, ünïcode ✓"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("\x1b[2Jgone", "\\x1b[2Jgone"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("over\rwritten\b", "over\\rwritten\\x08"),
        ("\x9b2J", "\\x9b2J"),
        (click.style("red", fg="red"), "\x1b[31mred\x1b[0m"),
    ],
)
def test_control_characters_are_written_out_and_colours_stay(text, shown):
    assert harmless(text) == shown


def test_data_and_errors_are_shown_so(capsys):
    say(styled("database", "ok") + " \x1b[2J")
    tell_error(ChaoslabError("no database \x1b[2J"))
    shown = capsys.readouterr()
    assert "\x1b[2J" not in shown.out + shown.err
    assert "\\x1b[2J" in shown.out
    assert "\\x1b[2J" in shown.err


ODD = """\
title: "two\\nlines\\e[31m"
description: d
method:
  - {type: action, name: "three\\r\\nlines\\u2028\\e[2J", provider: {type: process, path: "true"}}
"""


@pytest.mark.parametrize("command", ["plan", "show", "check"])
def test_what_a_file_calls_things_stays_in_their_lines(command, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("plain.yaml").write_text(re.sub(r"\\[ern]|\\u2028", "", ODD))
    Path("odd.yaml").write_text(ODD)
    assert main([command, "plain.yaml"]) == 0
    plain = capsys.readouterr().out
    assert main([command, "odd.yaml"]) == 0
    odd = capsys.readouterr().out
    assert len(odd.splitlines()) == len(plain.splitlines())
    assert not re.search(r"[\x00-\x09\x0b-\x1f\u2028]", odd)


def test_an_error_is_one_line_whatever_was_asked_for(capsys):
    assert main(["run", "no\nsuch"]) == 2
    assert main(["check", "no\nsuch.yaml"]) == 2
    assert main(["plan", "x", "--var-file", "no\nsuch.yaml"]) == 2
    said = capsys.readouterr()
    assert len(said.err.splitlines()) + len(said.out.splitlines()) == 4  # check sums up
