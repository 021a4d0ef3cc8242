"""The group of commands. Each command's module is imported only when it is called, so `--help` stays quick."""

import atexit
import gc
import importlib
import os
import sys
from typing import Any

import click

from chaoslab import __version__
from chaoslab.cli.boundary import guarded

PROGRAM = "chaoslab"
COMPLETION_VARIABLE = "_CHAOSLAB_COMPLETE"
COMMANDS = {
    "list": "List the exercises: experiments and drills.",
    "show": "Show what an exercise does, needs and promises.",
    "check": "Check files without running anything.",
    "import": "Propose our form of somebody's Chaos Toolkit file.",
    "plan": "Say what a run would do and undo; touch nothing.",
    "run": "Run exercises, judge and report them.",
    "report": "Write the reports of a run again, from its log.",
    "undo": "Undo what an earlier run left behind.",
    "backup": "Dump databases, prove that they are stored, keep them by date.",
    "lab": "Start, look at and stop the embedded lab.",
    "demo": "See a drill and an experiment on the lab.",
    "doctor": "Say what this machine can run, and what is missing.",
    "completion": "Print the completion script of a shell.",
}
"""Every command in the order of `--help`, with its one line, so that the list needs none of their modules."""

_MODULES = {"import": "importing"}
"""Commands whose name no module can have."""

_EXIT_CODES = """\b
Exit codes:
  0         passed
  1         chaoslab itself broke: never a verdict
  2         bad usage or a bad file
  10        an objective was missed or a hypothesis deviated
  11        inconclusive: evidence is missing
  12        refused: nothing was touched
  13        residue: something could not be undone
  130, 143  interrupted, and undone; also 129, and 137 for a report on a run that was killed

\b
Environment:
  CHAOSLAB_PRODUCTION  patterns such as "*prod*": targets that are touched only by their name
  CHAOSLAB_ALLOW       patterns: the only targets that may be touched at all
  CHAOSLAB_LONGEST_TTL the longest time-to-live that a fault may have (24h)
  CHAOSLAB_LAB_HOME    the folder of the lab
  NO_COLOR             no colours
  CHAOSLAB_DEBUG=1     show the traceback of an error
"""

_OBJECTS_BETWEEN_SEARCHES = 50_000
"""New objects before the garbage collector looks for those that can go; in a long run it still does."""


class Commands(click.Group):
    """A group that knows its commands by name and loads the one that is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of one command."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"chaoslab.cli.{_MODULES.get(cmd_name, cmd_name)}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without loading them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is meant, or say which one may have been meant."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from chaoslab.core.suggest import hint_for

            raise click.UsageError(f"no command '{args[0]}'; {hint_for(args[0], COMMANDS)}", ctx)
        return super().resolve_command(ctx, args)


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=_EXIT_CODES,
)
@click.version_option(__version__, prog_name=PROGRAM, message="%(prog)s %(version)s")
def group() -> None:
    """Prove that systems survive and come back.

    Chaos experiments and disaster-recovery drills, measured against objectives; no fault outlives its run.
    """


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    if arguments is None:
        _have_streams()
        _spare_the_collector()

    def call() -> Any:
        if COMPLETION_VARIABLE in os.environ:
            group.main(arguments, prog_name=PROGRAM)  # answers the shell and exits
        # Not by `group.main`: that exits with 1, chaoslab's own breakdown, when a reader goes away.
        with group.make_context(PROGRAM, list(sys.argv[1:] if arguments is None else arguments)) as context:
            return group.invoke(context)

    return guarded(call)


def _have_streams() -> None:
    """Put /dev/null where stdin, stdout or stderr is closed, as a daemon's may be.

    Otherwise the next file that is opened, such as the undo ledger, would get its number, and somebody's words.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            try:
                os.fstat(number)
            except OSError:
                os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free: this one
            setattr(sys, name, open(number, "r" if number == 0 else "w", encoding="utf-8", closefd=False))  # noqa: SIM115


def _spare_the_collector() -> None:
    """Start and end sooner: what a command loads it keeps, so a search of all that for garbage finds none.

    Python searches often while much is loaded, and all of it once more before it exits.
    """
    gc.set_threshold(_OBJECTS_BETWEEN_SEARCHES)
    atexit.register(gc.freeze)
