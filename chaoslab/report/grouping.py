"""Many findings, told so that a rare one is not buried under a frequent one."""

from collections.abc import Sequence
from dataclasses import dataclass

from chaoslab.report.model import FindingResult, Report
from chaoslab.report.wording import count_text


@dataclass(frozen=True, slots=True)
class Group:
    """The findings of one code and severity."""

    code: str
    severity: str
    findings: tuple[tuple[FindingResult, int], ...]
    """Each finding once, and how often it was noted."""

    @property
    def count(self) -> int:
        """How many there are, repeated ones included."""
        return sum(times for _, times in self.findings)


def grouped(findings: Sequence[FindingResult]) -> list[Group]:
    """Return the findings by severity and code, in the order in which each first came up."""
    groups: dict[tuple[str, str], dict[str, tuple[FindingResult, int]]] = {}
    for finding in findings:
        group = groups.setdefault((finding.severity, finding.code), {})
        key = repr(finding)
        group[key] = (finding, group[key][1] + 1 if key in group else 1)
    return [Group(code, severity, tuple(found.values())) for (severity, code), found in groups.items()]


def counted(groups: Sequence[Group], most: int = 6) -> str:
    """Count the findings by their code: `13 role-missing, 1 table-missing`."""
    shown = [f"{group.count:,} {group.code}" for group in groups[:most]]
    left = len(groups) - most
    return ", ".join(shown) + (f" and {count_text(left, 'more code')}" if left > 0 else "")


def why(report: Report) -> list[str]:
    """Return why the run did not pass, the weightiest first, with one line for all findings of a code."""
    speaking = [group for group in grouped(report.findings) if group.severity in {"failure", "unknown"}]
    one_by_one = {f"{finding.code}: {finding.message}": group for group in speaking for finding, _ in group.findings}
    lines: dict[str, None] = {}
    for reason in report.reasons:
        group = one_by_one.get(reason)
        lines[reason if group is None else group_line(group)] = None
    return list(lines)


def group_line(group: Group) -> str:
    """Tell a group by its first finding."""
    first = group.findings[0][0]
    if group.count == 1:
        return f"{first.code}{_at(first)}: {first.message}"
    return f"{group.count:,} times {first.code}, first{_at(first)}: {first.message}"


def _at(finding: FindingResult) -> str:
    return f" at {finding.where}" if finding.where else ""
