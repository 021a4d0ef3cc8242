"""`chaoslab check`: everything that is wrong with files, at once, and everything that is dangerous in them."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chaoslab.cli.options import complete_name
from chaoslab.cli.terminal import plural, say, say_json, tell
from chaoslab.core.errors import BadUsage, ExitCode

if TYPE_CHECKING:
    from chaoslab.core.checks.finding import Finding
    from chaoslab.core.spec import Spec
    from chaoslab.report.checked import Checked

FORMATS = ("text", "json", "github")


@click.command()
@click.argument("names", metavar="FILE|FOLDER|NAME...", nargs=-1, shell_complete=complete_name)
@click.option("--format", "form", type=click.Choice(FORMATS), default="text", show_default=True, help="How to tell it.")
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option("--notes", is_flag=True, help="Show notes too: what is worth knowing and fails nothing.")
@click.option("--strict", is_flag=True, help="End with 10 on warnings too.")
@click.option(
    "--baseline", "baseline_path", metavar="FILE", type=click.Path(path_type=Path), help="Leave out what FILE accepts."
)
@click.option("--write-baseline", is_flag=True, help="Accept what is there now: write it to the file of --baseline.")
@click.option("--schema", is_flag=True, help="Print the JSON schema of a file, for editors.")
def command(
    names: tuple[str, ...],
    form: str,
    as_json: bool,
    notes: bool,
    strict: bool,
    baseline_path: Path | None,
    write_baseline: bool,
    schema: bool,
) -> int:
    """Check files without running anything.

    Takes ours, and any that were written for Chaos Toolkit. Tells everything at
    once, as `file:line:column: severity: what is wrong; what would be right
    [code]`: what cannot be run, and what is dangerous or does nothing, such as a
    fault that nothing undoes. Needs none of the packages, programs or variables
    that a file needs to run. docs/check.md lists the codes.

    Exits 0 when there is no error, 10 when there is one, 2 when a file cannot be run at all.

    \b
    Examples:
      chaoslab check experiments/
      chaoslab check experiments/ --format github --strict
      chaoslab check experiments/ --baseline chaos.baseline.json --write-baseline
      chaoslab check postgres-restore --json
    """
    if schema:
        from chaoslab.core.schema import file_schema

        say_json(file_schema())
        return ExitCode.PASSED
    if not names:
        raise click.UsageError("name a file, a folder or an exercise to check, or ask for --schema")
    if write_baseline and baseline_path is None:
        raise click.UsageError("--write-baseline needs --baseline FILE, which it writes")
    files, findings = _found(names)
    if baseline_path is not None and write_baseline:
        return _accept(baseline_path, files, findings)
    checked = _against(baseline_path, files, findings, strict=strict)
    _show(checked, "json" if as_json else form, notes=notes)
    return checked.exit_code


def _found(names: Sequence[str]) -> "tuple[list[str], list[Finding]]":
    """Return the files that were looked at, and what there is to say about them."""
    from chaoslab.core.checks.check import check_text
    from chaoslab.core.checks.finding import Finding
    from chaoslab.engine.gathering import gather

    files: list[str] = []
    findings: list[Finding] = []
    for name, source, problem in gather(names):
        files.append(source.shown if source else name)
        if source is None:
            findings.append(Finding(name, 0, 0, "no-file", "error", "", problem, "", fatal=True))
        else:
            checked = check_text(source.text, source.shown)
            findings += checked.findings
            findings += _wrong_calls(checked.spec, source.text) if checked.spec else []
    return files, findings


def _wrong_calls(spec: "Spec", text: bytes) -> "list[Finding]":
    """Return what a file calls of ours and cannot, and what it calls in the wrong thread; only ours is imported."""
    from chaoslab.core.checks.finding import finding_of

    found: list[Finding] = []
    if b"chaoslab." in text:
        from chaoslab.engine.modules import wrong_calls

        found += [finding_of(problem, "error", "", fatal=True) for problem in wrong_calls(spec)]
    if b"background" in text:
        from chaoslab.engine.threads import wrong_threads

        found += wrong_threads(spec)
    return found


def _against(path: Path | None, files: Sequence[str], findings: "Sequence[Finding]", *, strict: bool) -> "Checked":
    from chaoslab.report.checked import Checked

    if path is None:
        return Checked(len(files), tuple(findings), strict=strict)
    from chaoslab.core.checks.baseline import read_baseline

    new, accepted, gone = read_baseline(path).sort(findings, files=files)
    return Checked(len(files), new, len(accepted), len(gone), strict)


def _accept(path: Path, files: Sequence[str], findings: "Sequence[Finding]") -> int:
    """Write the baseline; what is no file cannot be accepted."""
    from chaoslab.core.checks.baseline import Baseline
    from chaoslab.report.checked import text_line

    missing = [finding for finding in findings if finding.code == "no-file"]
    if missing:
        for finding in missing:
            say(text_line(finding))
        tell("nothing was accepted: name what there is")
        return ExitCode.USAGE
    baseline: Baseline = Baseline(path.parent)
    try:
        path.write_text(baseline.text_of(findings), encoding="utf-8")
    except OSError as error:
        raise BadUsage(f"cannot write the baseline {path}: {error.strerror or error}") from error
    tell(f"{plural(len(findings), 'finding')} in {plural(len(files), 'file')} accepted in {path}")
    return ExitCode.PASSED


def _show(checked: "Checked", form: str, *, notes: bool) -> None:
    from chaoslab.report.checked import github_lines, json_data, text_line

    shown = [finding for finding in checked.findings if notes or finding.severity != "note"]
    if form == "json":
        say_json(json_data(checked))
    for line in [text_line(finding) for finding in shown] if form == "text" else []:
        say(line)
    for line in github_lines(shown) if form == "github" else []:
        say(line)
    tell(_summary(checked, hidden=checked.counts["note"] if not notes and form != "json" else 0))


def _summary(checked: "Checked", *, hidden: int) -> str:
    counts = [plural(count, severity) for severity, count in checked.counts.items() if count and severity != "note"]
    bad = {finding.file for finding in checked.findings if finding.severity != "note"}
    told = f"{plural(checked.files, 'file')} checked, no problem"
    if counts:
        told = f"{', '.join(counts)} in {len(bad)} of {plural(checked.files, 'file')}"
    if checked.counts["note"]:
        told += f"; {plural(checked.counts['note'], 'note')}" + (" (see --notes)" if hidden else "")
    if checked.accepted:
        told += f"; {plural(checked.accepted, 'finding')} accepted before"
    if checked.gone:
        told += f"; {checked.gone} of the baseline {'is' if checked.gone == 1 else 'are'} gone (--write-baseline)"
    return told
