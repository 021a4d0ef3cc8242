"""`chaoslab run`: one exercise, from its gate to its report; several, one after another."""

import json
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import click

from chaoslab.cli.boundary import telling
from chaoslab.cli.consent import ask, can_ask
from chaoslab.cli.exits import worst
from chaoslab.cli.narrator import Event, Narrator
from chaoslab.cli.options import exercise_options, read_plan, spec_of
from chaoslab.cli.series import run_series
from chaoslab.cli.terminal import animated, say, say_json, tell
from chaoslab.core.errors import BadUsage, ExitCode

_PATIENT_WITH = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _Asked(NamedTuple):
    """What the command line asks for."""

    pairs: tuple[str, ...]
    files: tuple[Path, ...]
    objectives: tuple[str, ...]
    reports: Path
    confirmed: tuple[str, ...]
    seed: int | None
    plan: Path | None
    as_json: bool
    verbose: bool

    def arguments(self, name: str) -> list[str]:
        """Return the arguments by which a process of its own runs one exercise as asked."""
        found = ["run", "--reports", str(self.reports)]
        repeated = {
            "--var": self.pairs,
            "--var-file": self.files,
            "--objective": self.objectives,
            "--yes": self.confirmed,
        }
        for option, values in repeated.items():
            found += [argument for value in values for argument in (option, str(value))]
        found += [] if self.seed is None else ["--seed", str(self.seed)]
        found += ["--json"] * self.as_json + ["--verbose"] * self.verbose
        return [*found, "--", name]


@click.command()
@exercise_options
@click.option(
    "--plan", type=click.Path(path_type=Path), metavar="FILE", help="Refuse unless the world still matches it."
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON on stdout, all else on stderr.")
@click.option("--verbose", is_flag=True, help="Tell of every fault, mark and figure, and what the engine says.")
def command(names: tuple[str, ...], **asked: Any) -> int:
    """Run exercises, judge and report them.

    Before anything is touched the guards are asked and the steady state must be met. Every fault is written down before
    it is injected and is undone however the run ends. Ctrl-C stops and undoes; more presses are answered with what
    remains to be undone.

    A target that counts as production is touched only when its name is typed, or given with --yes.

    Several exercises run one after another, each in a process of its own; the exit code is the worst. With --json the
    report goes to stdout, an array when several are named.

    \b
    Exits 0 passed, 2 bad usage or file, 10 failed, 11 inconclusive, 12 refused (nothing was touched),
    13 something could not be undone, 130 or 143 interrupted and undone.

    \b
    Examples:
      chaoslab run postgres-restore
      chaoslab run database-blocked --json
      chaoslab run service-paused service-killed --reports reports
    """
    wanted = _Asked(**asked)
    if len(names) > 1:
        return _run_each(names, wanted)
    return _run_one(names[0], wanted)


def _run_one(name: str, asked: _Asked) -> int:
    from chaoslab.engine.opening import Wishes
    from chaoslab.engine.runner import run_exercise
    from chaoslab.engine.variables import given_of

    spec = spec_of(name, asked.objectives)
    given = given_of(asked.pairs, asked.files)
    confirmed = frozenset(asked.confirmed)
    if can_ask():
        confirmed |= ask(spec, given, Wishes(reports=asked.reports, confirmed=confirmed))
    wishes = Wishes(
        reports=asked.reports,
        confirmed=confirmed,
        seed=asked.seed,
        agreed_plan=read_plan(asked.plan).digest if asked.plan else "",
        verbose=asked.verbose,
    )
    with _teller(verbose=asked.verbose) as teller:
        outcome = run_exercise(spec, given, wishes, tell=teller)
    with _undisturbed():
        return _report(outcome.folder, as_json=asked.as_json)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Let no further Ctrl-C keep the report of a run that is over, and undone, from being written."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in _PATIENT_WITH}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _teller(*, verbose: bool) -> AbstractContextManager[Callable[[Event], None]]:
    """Return who tells the run: a live screen, or plain lines where there is none.

    What the engine says when asked for everything would run through the screen, so it gets plain lines too.
    """
    if animated(sys.stderr) and not verbose:
        from chaoslab.cli.screen import Screen

        return Screen()
    return nullcontext(Narrator(tell, verbose=verbose))


def _report(folder: Path, *, as_json: bool) -> int:
    """Write and tell the reports of a run that is over; that they cannot be written does not change what came out."""
    from chaoslab.cli.summary import print_summary
    from chaoslab.report.write import report_of, write_reports

    codes: list[int] = []
    paths: tuple[Path, ...] = ()
    try:
        written = write_reports(folder)
        report, paths = written.report, written.paths
    except BadUsage as error:
        tell(f"chaoslab: {error}")
        codes.append(ExitCode.BROKEN)
        report = report_of(folder)
    code = worst([*codes, report.exit_code])
    with telling(code):
        print_summary(report, paths=paths, write=tell if as_json else say)
        if as_json:
            say_json(report.to_json())
    return code


def _run_each(names: tuple[str, ...], asked: _Asked) -> int:
    """Run several, each in a process of its own; with --json their reports become one array."""
    if asked.plan:
        raise click.UsageError("--plan holds one exercise to its plan; name one")
    for name in names:
        spec_of(name, asked.objectives)  # a file that cannot be run is told before anything begins
    commands = [(name, asked.arguments(name)) for name in names]
    if not asked.as_json:
        return run_series(commands, outputs=[None] * len(names))
    with tempfile.TemporaryDirectory(prefix="chaoslab-") as folder:
        outputs = [Path(folder, f"{number}.json") for number in range(len(names))]
        code = run_series(commands, outputs=outputs)
        with telling(code):
            say_json([json.loads(text) for text in map(_text, outputs) if text])
    return code


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""
