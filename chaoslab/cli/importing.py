"""`chaoslab import`: propose our form of a file that was written for plain Chaos Toolkit."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chaoslab.cli.terminal import plural, say, tell
from chaoslab.core.errors import BadUsage, ExitCode

if TYPE_CHECKING:
    from chaoslab.core.proposal.propose import Proposal


@click.command(name="import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--out", metavar="FILE", type=click.Path(path_type=Path), help="Write it there, not to stdout.")
@click.option("--force", is_flag=True, help="Write over a file that is there.")
def command(file: Path, out: Path | None, force: bool) -> int:
    """Propose our form of somebody's Chaos Toolkit file.

    Adds what it acts on, its blast radius, objectives and the control; puts our faults in place of steps that do the
    same, with a time-to-live and without the rollbacks that they no longer need. Comments and order stay where they
    can. What a person must decide is marked `# DECIDE:`. The file itself is not touched.

    Exits 0 with a proposal, 2 when the file is no experiment.

    \b
    Examples:
      chaoslab import theirs.json --out experiments/network/slow-database.yaml
      chaoslab import theirs.yaml
    """
    from chaoslab.core.proposal.propose import propose
    from chaoslab.core.spec import parse_spec
    from chaoslab.engine.loading import read

    source = read(str(file))
    spec = parse_spec(source.text, source.shown)
    if not spec.foreign:
        raise BadUsage(f"{source.shown} is one of ours already: it has an extension named chaoslab")
    _may_write(out, file, force=force)
    proposal = propose(source.text.decode("utf-8-sig"), spec)
    if out is None:
        say(proposal.text.rstrip("\n"))
    else:
        _write(out, proposal.text)
    _tell(proposal, str(out or "-"))
    return ExitCode.PASSED


def _tell(proposal: "Proposal", shown: str) -> None:
    """Say what was replaced and kept, what is to be decided, and what `chaoslab check` says of it."""
    from chaoslab.core.checks.check import check_text

    for told in proposal.replaced:
        tell(f"replaced {told}")
    for told in proposal.kept:
        tell(f"kept {told}")
    if proposal.reformatted:
        tell("written anew as YAML: comments were left out")
    for line, told in proposal.decisions:
        tell(f"{shown}:{line}: decide: {told}")
    findings = [found for found in check_text(proposal.text, shown).findings if found.severity == "error"]
    for found in findings:
        tell(f"{found.position}: error: {found.text} [{found.code}]")
    state = (
        f"does not pass `chaoslab check` yet: {plural(len(findings), 'error')}"
        if findings
        else "passes `chaoslab check`"
    )
    tell(f"{plural(len(proposal.decisions), 'decision')} to take; it {state}")


def _may_write(out: Path | None, file: Path, *, force: bool) -> None:
    if out is None:
        return
    if os.path.exists(out) and file.exists() and out.samefile(file):
        raise BadUsage(f"{out} is the file itself, which is not touched; name another")
    if os.path.exists(out) and not force:
        raise BadUsage(f"{out} is there already; name another, or write over it with --force")


def _write(out: Path, text: str) -> None:
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise BadUsage(f"cannot write {out}: {error.strerror or error}") from error
