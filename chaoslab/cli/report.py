"""`chaoslab report`: the reports of a run again, from its log alone."""

from pathlib import Path
from typing import Any

import click

from chaoslab.cli.exits import worst
from chaoslab.cli.summary import print_summary
from chaoslab.cli.terminal import say, say_json, tell
from chaoslab.core.errors import BadUsage, ExitCode


@click.command()
@click.argument("folders", metavar="FOLDER...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON; write no file.")
def command(folders: tuple[Path, ...], as_json: bool) -> int:
    """Write the reports of a run again, from its log.

    The run log is judged anew, also that of a run which was killed: what is missing in it is told, not guessed. With
    --json the report goes to stdout (an array, when several folders are given).

    Exits as the run did: 0 passed, 10 failed, 11 inconclusive, 12 refused, 13 residue; 2 for what is no run folder.

    \b
    Examples:
      chaoslab report reports/20260131T235959Z-postgres-restore
      chaoslab report reports/20260131T235959Z-postgres-restore --json
    """
    from chaoslab.report.write import report_of, write_reports

    codes: list[int] = []
    shown: list[Any] = []
    for folder in folders:
        try:
            if as_json:
                report = report_of(folder)
                shown.append(report.to_json())
            else:
                written = write_reports(folder)
                report = written.report
                print_summary(report, paths=written.paths, write=say)
        except BadUsage as error:
            if len(folders) == 1:
                raise
            tell(f"chaoslab: {error}")
            codes.append(ExitCode.USAGE)
            continue
        codes.append(report.exit_code)
    if shown:
        say_json(shown[0] if len(folders) == 1 else shown)
    return worst(codes)
