"""A run told in lines, and on a live screen."""

import io
import re

import click
import pytest
from rich.console import Console

from chaoslab.cli.narrator import Narrator
from chaoslab.cli.screen import Screen

STORY = [
    {"kind": "run-started", "mono_s": 0.0, "run": {"id": "r1", "slug": "blocked", "title": "Blocked", "kind": "drill"}},
    {"kind": "step-started", "mono_s": 0.1, "step": 1, "name": "it answers", "phase": "baseline"},
    {
        "kind": "step-ended",
        "mono_s": 0.2,
        "step": 1,
        "name": "it answers",
        "phase": "baseline",
        "outcome": "ok",
        "duration_s": 0.1,
        "error": "",
    },
    {
        "kind": "fault-intended",
        "mono_s": 1.0,
        "entry": 1,
        "name": "network.blackhole",
        "target": "proxy",
        "role": "fault",
        "ttl_s": 60.0,
    },
    {"kind": "fault-injected", "mono_s": 1.1, "entry": 1},
    {"kind": "samples", "mono_s": 2.0, "prober": "service", "batch": [[1.0, 0.01, True, ""], [1.5, 1.0, False, "x"]]},
]


def told(*events, verbose=False):
    lines = []
    narrator = Narrator(lambda line: lines.append(click.unstyle(line)), verbose=verbose)
    for event in events:
        narrator(event)
    return lines


def finding(number, severity="failure"):
    return {
        "kind": "finding",
        "mono_s": 3.0,
        "code": "row-count-differs",
        "severity": severity,
        "where": f"shop.t{number}",
        "message": "rows are missing",
    }


def test_a_step_is_one_line_with_phase_name_duration_and_outcome():
    lines = told(*STORY)
    assert lines[0] == "Blocked"
    assert lines[1] == "drill blocked, run r1"
    assert len(lines) == 3
    assert lines[2].split() == ["0.2s", lines[2].split()[1], "baseline", "it", "answers", "100ms"]


def test_a_step_that_failed_says_why():
    ended = {**STORY[2], "outcome": "failed", "error": "exit code 3"}
    assert told(ended)[0].endswith("failed: exit code 3")


def test_verbose_tells_of_faults_too():
    assert any("network.blackhole on proxy is on" in line for line in told(*STORY, verbose=True))


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (
            {"kind": "fault-effective", "entry": 1, "effective": False, "detail": "no"},
            "network.blackhole on proxy does",
        ),
        ({"kind": "fault-undone", "entry": 1, "by": "reaper"}, "undone by the reaper"),
        ({"kind": "fault-undo-failed", "entry": 1, "by": "run", "error": "refused"}, "cannot be undone: refused"),
        ({"kind": "hypothesis", "when": "before", "met": False, "failed_probe": "p"}, "not met before the fault (p)"),
        ({"kind": "refused", "guard": "lock", "reason": "somebody is at work"}, "by lock: somebody is at work"),
        ({"kind": "interrupted", "reason": "SIGTERM"}, "SIGTERM: stopping, and undoing"),
        ({"kind": "reminder", "signal": "SIGINT", "open": ["a on b"]}, "SIGINT again: already stopping; 1 thing"),
        ({"kind": "reminder", "signal": "SIGINT", "open": []}, "nothing is left to undo"),
    ],
)
def test_what_people_must_know_is_told_without_asking(event, words):
    assert words in told(STORY[3], {"mono_s": 2.0, **event})[-1]


def test_only_the_first_ten_findings_are_told():
    lines = told(*(finding(number) for number in range(30)))
    assert len(lines) == 11
    assert "in the report" in lines[-1]
    assert len(told(*(finding(number) for number in range(30)), verbose=True)) == 30


def test_a_note_is_told_on_request_only():
    assert told(finding(1, "note")) == []
    assert len(told(finding(1, "note"), verbose=True)) == 1


def test_an_unknown_event_is_passed_over():
    assert told({"kind": "something-new", "mono_s": 1.0}) == []


def screen():
    return Console(file=io.StringIO(), force_terminal=True, width=100, highlight=False)


def test_the_screen_shows_step_fault_and_prober_while_they_last():
    console = screen()
    running = {**STORY[1], "step": 2, "name": "hold", "phase": "verify", "mono_s": 1.2}
    with Screen(console=console) as shown:
        for event in [*STORY, running]:
            shown(event)
        shown._live.refresh()
    drawn = click.unstyle(console.file.getvalue())
    assert re.search(r"verify\s+hold", drawn)
    assert "network.blackhole on proxy" in drawn
    assert "50% good" in drawn
    assert "Ctrl-C stops and undoes" in drawn


def test_the_screen_gives_the_cursor_back_whatever_happens():
    console = screen()
    with pytest.raises(ZeroDivisionError), Screen(console=console):
        raise ZeroDivisionError
    hide, show = "\x1b[?25l", "\x1b[?25h"
    drawn = console.file.getvalue()
    assert drawn.rindex(show) > drawn.rindex(hide)


def test_the_screen_says_that_it_is_stopping():
    console = screen()
    with Screen(console=console) as shown:
        for event in [*STORY, {"kind": "interrupted", "mono_s": 2.0, "reason": "SIGINT"}]:
            shown(event)
        shown._live.refresh()
    assert "stopping: SIGINT" in click.unstyle(console.file.getvalue())


def progress(at_s, done, what="dump"):
    return {
        "kind": "progress",
        "mono_s": at_s,
        "what": what,
        "done": done,
        "total": 400 << 20,
        "unit": "bytes",
        "note": "shop",
    }


def test_a_long_step_is_told_every_few_seconds_with_rate_and_time_left():
    lines = []
    narrator = Narrator(lines.append)
    for second in range(12):
        narrator(progress(float(second), second * (10 << 20)))
    assert len(lines) == 2
    assert "100 MiB of 400 MiB (25%), 10 MiB/s, 30s left: shop" in lines[1]


def test_what_is_done_at_once_needs_no_line_and_the_next_thing_begins_anew():
    lines = []
    narrator = Narrator(lines.append)
    for event in (
        progress(1.0, 0),
        progress(3.0, 400 << 20),
        progress(9.0, 0, "recover"),
        progress(13.0, 5, "recover"),
    ):
        narrator(event)
    assert lines == []


def test_where_progress_is_drawn_no_lines_are_told():
    lines = []
    narrator = Narrator(lines.append, progress=False)
    narrator(progress(0.0, 0))
    narrator(progress(60.0, 5))
    assert lines == []


def test_what_a_file_calls_its_steps_stays_in_their_lines():
    odd = {"name": "two\nlines\x1b[2J[/b]\u2028", "error": "one\rtwo", "outcome": "failed"}
    lines = told(STORY[0], {**STORY[2], **odd}, {**finding(1), "message": "a\nb", "where": "c\x0bd"})
    assert [line.strip()[6:] for line in lines[2:]] == [
        "✗ baseline  two lines [2J[/b]   100ms  failed: one two",
        "✗ finding   row-count-differs at c d: a b",
    ]
    console = screen()
    with Screen(console=console) as shown:
        for event in [{**STORY[1], **odd}, {**STORY[3], **odd, "target": "[/x]\n"}]:
            shown(event)
        shown._live.refresh()
    assert "two lines [2J[/b]" in click.unstyle(console.file.getvalue())
