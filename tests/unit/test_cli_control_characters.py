"""What others named cannot steer the terminal of who reads it."""

import click
import pytest

from chaoslab.cli.boundary import tell_error
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
