"""What `chaoslab check` found, for people, for programs, and as annotations of a GitHub job."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from chaoslab.core.checks.finding import SEVERITIES, Finding
from chaoslab.core.errors import ExitCode

SCHEMA = "chaoslab.check/1"
_COMMANDS = {"error": "error", "warning": "warning", "note": "notice"}


class Checked(NamedTuple):
    """The result of a check of some files."""

    files: int
    findings: tuple[Finding, ...]
    accepted: int = 0
    """Findings that a baseline holds already."""
    gone: int = 0
    """What the baseline holds and is not found any more."""
    strict: bool = False

    @property
    def exit_code(self) -> ExitCode:
        """2 for what cannot be run at all, 10 for what is dangerous, and under `strict` for warnings too."""
        if any(finding.fatal for finding in self.findings):
            return ExitCode.USAGE
        counting = ("error", "warning") if self.strict else ("error",)
        return ExitCode.FAILED if any(finding.severity in counting for finding in self.findings) else ExitCode.PASSED

    @property
    def counts(self) -> dict[str, int]:
        """How many findings there are of each severity."""
        found = Counter(finding.severity for finding in self.findings)
        return {severity: found[severity] for severity in SEVERITIES}


def text_line(finding: Finding) -> str:
    """Return a finding as editors and people read it."""
    if finding.code == "no-file":
        return finding.text
    return f"{finding.position}: {finding.severity}: {finding.text} [{finding.code}]"


def json_data(checked: Checked) -> dict[str, Any]:
    """Return the result as JSON data; check.schema.json describes it."""
    return {
        "schema": SCHEMA,
        "files": checked.files,
        **{f"{severity}s": count for severity, count in checked.counts.items()},
        "accepted": checked.accepted,
        "gone": checked.gone,
        "exit_code": int(checked.exit_code),
        "findings": [finding.to_json() for finding in checked.findings],
    }


def github_lines(findings: Sequence[Finding]) -> list[str]:
    """Return workflow commands, which GitHub shows at the lines of a pull request."""
    return [_github(finding) for finding in findings]


def _github(finding: Finding) -> str:
    place = {"file": finding.file}
    if finding.line:
        place |= {"line": str(finding.line), "col": str(finding.column)}
    place["title"] = f"chaoslab: {finding.code}"
    properties = ",".join(f"{key}={_escaped(value, in_property=True)}" for key, value in place.items())
    return f"::{_COMMANDS[finding.severity]} {properties}::{_escaped(finding.text)}"


def _escaped(text: str, *, in_property: bool = False) -> str:
    text = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return text.replace(":", "%3A").replace(",", "%2C") if in_property else text
