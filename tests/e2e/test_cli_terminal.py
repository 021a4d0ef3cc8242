"""The command line on a terminal: a live screen, colours, questions, Ctrl-C."""

import contextlib
import json
import os
import pty
import re
import select
import subprocess
import time

import click
import pytest


class Terminal:
    """A program in front of a pseudo-terminal, and what it has drawn."""

    def __init__(self, person, arguments, variables):
        self.drawn = ""
        self.code = None
        self._pid, self._file = pty.fork()
        if self._pid == 0:
            os.chdir(person.folder)
            environment = person.environment | {"TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8"} | variables
            command = person.command(*arguments)
            os.execve(command[0], command, environment)

    def types(self, text):
        os.write(self._file, text.encode())

    def waits_for(self, words, within_s=120.0):
        """Read until words have been drawn."""
        self._read(lambda: words in self.plain, within_s)

    def ends(self, within_s=240.0, pressing=""):
        """Read until the program is over; return its exit code.

        A key is pressed again and again, as people do: Python loses a Ctrl-C that comes in the instant between the
        drawing of a question and the waiting for its answer.
        """
        pressed_at = 0.0

        def over():
            nonlocal pressed_at
            if pressing and self.code is None and time.monotonic() > pressed_at + 1.0:
                with contextlib.suppress(OSError):  # it has just ended
                    self.types(pressing)
                pressed_at = time.monotonic()
            return self.code is not None

        self._read(over, within_s)
        return self.code

    @property
    def plain(self):
        return click.unstyle(self.drawn)

    def close(self):
        if self.code is None:
            os.kill(self._pid, 9)
            os.waitpid(self._pid, 0)
        os.close(self._file)

    def _read(self, done, within_s):
        deadline = time.monotonic() + within_s
        while not done():
            assert time.monotonic() < deadline, f"it did not come in time:\n{self.plain[-2000:]}"
            readable, _, _ = select.select([self._file], [], [], 0.1)
            try:
                data = os.read(self._file, 1 << 16) if readable else None
            except OSError:
                data = b""  # the other end is closed
            if data == b"":
                _, status = os.waitpid(self._pid, 0)
                self.code = os.waitstatus_to_exitcode(status)
                assert done(), f"it ended with {self.code}:\n{self.plain[-2000:]}"
            elif data:
                self.drawn += data.decode(errors="replace")


@contextlib.contextmanager
def terminal(person, *arguments, **variables):
    """Run chaoslab on a terminal."""
    opened = Terminal(person, arguments, variables)
    try:
        yield opened
    finally:
        opened.close()


def test_a_run_is_drawn_live_and_the_screen_is_given_back(person):
    with terminal(person, "run", "short.yaml", "--var", "hold=1s") as screen:
        assert screen.ends() == 0
        assert "Ctrl-C stops and undoes" in screen.plain
        assert re.search(r"fault\s+process\.pause on process \d+", screen.plain)
        assert re.search(r"service\s+[▁▂▃▄▅▆▇█]+\s+[\d.]+% good, p99", screen.plain)
        assert screen.drawn.rindex("\x1b[?25h") > screen.drawn.rindex("\x1b[?25l")
        assert "✓" in screen.plain
        assert "PASSED" in screen.plain.rpartition("Ctrl-C stops")[2]
        assert re.search(r"\x1b\[3\dm", screen.drawn)


@pytest.mark.parametrize(("variable", "colours", "moves"), [("NO_COLOR", False, True), ("TERM", False, False)])
def test_colours_and_movement_can_be_declined(person, variable, colours, moves):
    with terminal(person, "run", "short.yaml", **{variable: "dumb"}) as screen:
        assert screen.ends() == 0
        assert bool(re.search(r"\x1b\[(\d+;)*(3\d|9\d)m", screen.drawn)) == colours
        assert ("\x1b[?25l" in screen.drawn) == moves
        assert "PASSED" in screen.plain


def test_ctrl_c_stops_undoes_and_answers_further_ones(person):
    with terminal(person, "run", "short.yaml", "--var", "hold=30s") as screen:
        screen.waits_for("undone in")
        screen.types("\x03")
        screen.waits_for("stopping, and undoing")
        screen.types("\x03")
        assert screen.ends() == 130
        assert "INTERRUPTED" in screen.plain
        assert "Everything it had touched was undone" in screen.plain
        assert "Traceback" not in screen.plain


def test_ctrl_c_in_a_series_reaches_the_one_that_runs_once(person):
    with terminal(person, "run", "short.yaml", "short.yaml", "--var", "hold=30s") as screen:
        screen.waits_for("undone in")
        screen.types("\x03")
        assert screen.ends() == 130
        assert "1 exercise did not begin" in screen.plain
        assert "SIGINT again" not in screen.plain
    assert len(person.runs()) == 1


@pytest.mark.parametrize("right", [True, False])
def test_production_is_touched_only_when_its_name_is_typed(person, right):
    plan = json.loads(person.types("plan", "short.yaml", "--json").stdout)
    name = plan["targets"][0]["address"]
    with terminal(person, "run", "short.yaml", CHAOSLAB_PRODUCTION="*service.pid") as screen:
        screen.waits_for("is production. Type")
        screen.types(f"{name if right else 'yes'}\n")
        assert screen.ends() == (0 if right else 12)
        assert ("REFUSED" in screen.plain) != right


def test_ctrl_c_at_the_question_touches_nothing(person):
    with terminal(person, "run", "short.yaml", CHAOSLAB_PRODUCTION="*service.pid") as screen:
        screen.waits_for("is production. Type")
        assert screen.ends(pressing="\x03") == 130
    assert person.runs() == []


def test_bash_completes_commands_names_and_options(person):
    script = person.types("completion", "bash").stdout
    (person.folder / "completion.bash").write_text(script)
    ask = (
        "shopt -s extglob; source completion.bash; COMP_WORDS=(chaoslab {words}); COMP_CWORD={at}; "
        "_chaoslab_completion {program} ; echo ${{COMPREPLY[*]}}"
    )
    program = person.folder / "chaoslab"
    program.write_text(f'#!/bin/sh\nexec {" ".join(person.command())} "$@"\n')
    program.chmod(0o755)
    for words, at, wanted in [("dem", 1, "demo"), ("run --var-f", 2, "--var-file"), ("lab st", 2, "start")]:
        script = ask.format(words=words, at=at, program=program)
        done = subprocess.run(["bash", "-c", script], cwd=person.folder, capture_output=True, text=True, check=True)
        assert wanted in done.stdout.split(), words
