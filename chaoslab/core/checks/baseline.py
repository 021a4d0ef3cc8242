"""A baseline: the findings that somebody has accepted, so that only new ones count.

A finding is known again by its file, its code and its place by names: it stays the same when lines move, when steps are
put in another order, and when we word it differently. How many of the same are accepted is counted.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any, NamedTuple

from chaoslab.core.bounded import read_bounded
from chaoslab.core.checks.finding import Finding
from chaoslab.core.document import MAX_CHARACTERS
from chaoslab.core.errors import BadUsage

SCHEMA = "chaoslab.check-baseline/1"
_LONGEST = 20 * MAX_CHARACTERS
_NEVER = ("no-file",)
"""What cannot be accepted: a file that is not there may have been misspelt."""


class Key(NamedTuple):
    """What a finding is known again by."""

    file: str
    code: str
    place: str


class Sorted(NamedTuple):
    """Findings held against a baseline."""

    new: tuple[Finding, ...]
    accepted: tuple[Finding, ...]
    gone: tuple[Key, ...]
    """What was accepted in a file that was looked at, and is not found any more."""


class Baseline:
    """The accepted findings of a file, with paths as seen from the folder that the file lies in."""

    def __init__(self, folder: Path, accepted: Mapping[Key, int] | None = None) -> None:
        """Take the folder, and how many findings of each key are accepted."""
        self._folder = Path(os.path.abspath(folder))
        self._accepted = dict(accepted or {})

    def sort(self, findings: Iterable[Finding], *, files: Iterable[str]) -> Sorted:
        """Tell new findings from accepted ones.

        Args:
            findings: what was found
            files: what was looked at
        """
        left = Counter(self._accepted)
        new, accepted = [], []
        for finding in findings:
            key = self.key_of(finding)
            if left[key] > 0 and finding.code not in _NEVER:
                left[key] -= 1
                accepted.append(finding)
            else:
                new.append(finding)
        looked_at = {self._seen_from_here(file) for file in files}
        gone = [key for key, count in left.items() for _ in range(count) if key.file in looked_at]
        return Sorted(tuple(new), tuple(accepted), tuple(sorted(gone)))

    def text_of(self, findings: Sequence[Finding]) -> str:
        """Return what the file holds when these findings are accepted."""
        counted = Counter(self.key_of(finding) for finding in findings if finding.code not in _NEVER)
        accepted = [{**key._asdict(), "count": count} for key, count in sorted(counted.items())]
        lines = ",\n".join("    " + json.dumps(item, ensure_ascii=False) for item in accepted)
        return f'{{\n  "schema": "{SCHEMA}",\n  "accepted": [{chr(10) + lines + chr(10) + "  " if lines else ""}]\n}}\n'

    def key_of(self, finding: Finding) -> Key:
        """Return what a finding is known again by."""
        return Key(self._seen_from_here(finding.file), finding.code, finding.place)

    def _seen_from_here(self, file: str) -> str:
        path = Path(os.path.abspath(file))
        try:
            return path.relative_to(self._folder, walk_up=True).as_posix()
        except ValueError:
            return PurePath(file).as_posix()


def read_baseline(path: Path) -> Baseline:
    """Read a baseline.

    Raises:
        BadUsage: it cannot be read, or is none.
    """
    try:
        text = read_bounded(path, _LONGEST)
        if len(text) > _LONGEST:
            raise BadUsage(f"{path} is no baseline of findings: it is longer than {_LONGEST:,} characters")
        data = json.loads(text.decode("utf-8"))
        accepted = {_key(item): _count(item) for item in data["accepted"]}
        known = data["schema"] == SCHEMA
    except OSError as error:
        hint = "; --write-baseline makes it" if isinstance(error, FileNotFoundError) else ""
        raise BadUsage(f"cannot read the baseline {path}: {error.strerror or error}{hint}") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadUsage(f"{path} is no baseline of findings; --write-baseline makes one") from error
    if not known:
        raise BadUsage(f"{path} is a baseline of another version; --write-baseline makes one of this")
    return Baseline(path.parent, accepted)


def _key(item: Mapping[str, Any]) -> Key:
    key = Key(item["file"], item["code"], item["place"])
    if not all(isinstance(part, str) for part in key):
        raise ValueError(f"{item} is no finding")
    return key


def _count(item: Mapping[str, Any]) -> int:
    count = item.get("count", 1)
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        raise ValueError(f"{count} is no number of findings")
    return count
