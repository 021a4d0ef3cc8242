"""Follow a recovery in the log of its server: when each stage was reached, and why it ended too early."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from chaoslab.postgres.difference import Difference

STAGES: tuple[tuple[str, str], ...] = (
    ("started", r"starting (?:point-in-time|archive|backup) recovery|database system was interrupted"),
    ("consistent", r"consistent recovery state reached"),
    ("replayed", r"redo done at|redo is not required"),
    ("promoted", r"archive recovery complete"),
)
"""Stages by the first line that tells of them."""
_LAST = re.compile(r"last completed transaction was at log time (?P<at>\S+ \S+)")
_DONE_AT = re.compile(r"redo done at (?P<lsn>[0-9A-F]+/[0-9A-F]+)")
_CODES: tuple[tuple[str, str, str], ...] = (
    ("wal-of-another-system", r"WAL file is from different database system", "WAL of another server"),
    ("wal-segment-truncated", r'archive file "(?P<where>\w+)" has wrong size', "a WAL segment is cut off"),
    ("wal-of-another-timeline", r"unexpected timeline ID \d+ .*segment (?P<where>\w+)", "WAL of another timeline"),
    ("wal-of-another-timeline", r"unexpected timeline ID \d+", "WAL of another timeline"),
    ("timeline-not-reachable", r"requested timeline \d+ (?:is not a child|does not contain)", "the timeline"),
    ("target-before-backup", r"requested recovery stop point is before consistent recovery point", "the target"),
    ("wal-ends-before-backup", r"WAL ends before end of online backup", "the WAL ends too early"),
    ("wal-ends-before-backup", r"WAL ends before consistent recovery point", "the WAL ends too early"),
    ("recovery-start-missing", r"could not (?:locate|find) (?:a valid|required|redo|checkpoint)", "the start"),
    ("scratch-disk-full", r"No space left on device", "the scratch disk is full"),
    ("wal-damaged", r"incorrect resource manager data checksum in record|invalid magic number", "damaged WAL"),
    ("wal-damaged", r"unexpected pageaddr \S+ in (?:log|WAL) segment (?P<where>\w+)", "WAL of another place"),
    ("recovery-target-not-reached", r"recovery ended before configured recovery target was reached", "the target"),
    ("tablespace-made-since", r'FATAL: +directory "(?P<where>[^"]+)" does not exist', "a tablespace has no place here"),
    ("recovery-failed", r"(?:FATAL|PANIC): +(?P<said>.+)", "recovery failed"),
)


@dataclass
class Replay:
    """What the log of a recovering server has said so far."""

    log: Path
    now_s: Callable[[], float]
    """Seconds of the run."""
    begin: int = 0
    stages: dict[str, float] = field(default_factory=dict)
    """When each stage was seen."""
    text: str = ""
    _rest: bytes = b""
    _read: int = 0

    def look(self) -> None:
        """Read what is new."""
        try:
            with self.log.open("rb") as stream:
                stream.seek(self.begin + self._read)
                new = stream.read()
        except OSError:
            return
        self._read += len(new)
        whole, _, self._rest = (self._rest + new).rpartition(b"\n")
        lines = whole.decode(errors="replace")
        if not lines:
            return
        self.text += lines + "\n"
        for stage, sign in STAGES:
            if stage not in self.stages and re.search(sign, lines):
                self.stages[stage] = self.now_s()

    @property
    def last_commit_at(self) -> str:
        """When the last replayed transaction was committed, as the server says; '' if it does not."""
        match = _LAST.search(self.text)
        return match["at"].strip() if match else ""

    @property
    def end_lsn(self) -> str:
        """Where replay ended; '' if that is not known."""
        match = _DONE_AT.search(self.text)
        return match["lsn"] if match else ""

    def reason(self) -> Difference:
        """Return the finding that says best why recovery ended, the most telling first."""
        for code, sign, _ in _CODES:
            match = re.search(sign, self.text)
            if match:
                named = match.groupdict()
                line = self.text[self.text.rfind("\n", 0, match.start()) + 1 :].splitlines()[0]
                return Difference(code, named.get("where") or "recovery", f"recovery ended: {_said(line)}")
        last = self.text.strip().splitlines()[-1:] or ["the server said nothing"]
        return Difference("recovery-failed", "recovery", f"recovery ended: {_said(last[0])}")


def _said(line: str) -> str:
    """Return a line of the log without its time and process."""
    return re.sub(r"^\S+ \S+ \S+ \[\d+\] ", "", line).strip()[:300]
