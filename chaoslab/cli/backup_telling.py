"""How a backup is told while it goes on, and what came of it: lines for people, JSON for scripts."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from chaoslab.cli.progress import Progress
from chaoslab.cli.terminal import faint, mark, plural, say, table, tell
from chaoslab.core.units import format_duration, format_size
from chaoslab.runtime.clock import CLOCK

if TYPE_CHECKING:
    from chaoslab.backup.run import Result
    from chaoslab.backup.sets import BackupSet, DatabaseEntry
    from chaoslab.postgres.fleet.members import Member

_EVERY_S = 5.0
_PROVED = {"checksum": "by the store's checksum", "read back": "by reading them back"}


class Teller:
    """Tells a line for each database, and every few seconds how far it is."""

    def __init__(self) -> None:
        self._begun_s = CLOCK.mono()
        self._progress = Progress()
        self._lock = threading.Lock()
        self._what, self._done, self._total = "", 0, 0
        self._working: list[str] = []
        self._sizes: dict[str, int] = {}

    @contextmanager
    def ticking(self) -> Iterator[None]:
        """Tell now and then how far it is, until the work is over."""
        over = threading.Event()

        def tick() -> None:
            while not over.wait(_EVERY_S):
                self._tick()

        thread = threading.Thread(target=tick, name="progress", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def chosen(self, members: "Sequence[Member]") -> None:
        """Hear what will be dumped."""
        with self._lock:
            self._sizes = {f"{one.server}/{one.database}": one.bytes for one in members}
            self._what, self._done, self._total = "dumping", 0, sum(self._sizes.values())

    def begun(self, member: "Member") -> None:
        """Hear that a database is being dumped."""
        with self._lock:
            self._working.append(f"{member.server}/{member.database}")

    def ended(self, entry: "DatabaseEntry") -> None:
        """Hear what became of a database."""
        with self._lock:
            self._working.remove(entry.name)
            self._done += self._sizes.get(entry.name, 0)
        if entry.outcome == "ok":
            rate = format_size(round(entry.bytes / max(entry.duration_s, 0.001)))
            what = f"{format_size(entry.bytes)} in {format_duration(entry.duration_s)} ({rate}/s)"
        else:
            what = entry.error
        self._line(mark(entry.outcome), f"{entry.name}: {what}")

    def sending(self, made: "BackupSet") -> None:
        """Hear that a set is being sent."""
        with self._lock:
            self._what, self._done, self._total = f"sending {made.stamp}", 0, sum(one.bytes for one in made.files())
            self._working = []
        self._line(mark("running"), f"sending set {made.stamp}, {format_size(self._total)}")

    def sent(self, count: int) -> None:
        """Hear that a part has arrived."""
        with self._lock:
            self._done += count

    def _tick(self) -> None:
        with self._lock:
            if not self._what:
                return
            told = {"what": self._what, "done": self._done, "total": self._total, "unit": "bytes"}
            told |= {"note": ", ".join(name.rpartition("/")[2] for name in self._working), "mono_s": CLOCK.mono()}
            self._progress.take(told)
            text = f"{self._what}: {self._progress.text()}"
        self._line(mark("note"), faint(text))

    def _line(self, sign: str, text: str) -> None:
        tell(f"{faint(f'{CLOCK.mono() - self._begun_s:7.1f}s')}  {sign} {text}")


def as_json(result: "Result", *, dry_run: bool, exit_code: int) -> dict[str, Any]:
    """Return what came of a run as JSON data."""
    return {
        "schema": "chaoslab.backup/1",
        "dry_run": dry_run,
        "outcome": result.outcome,
        "exit_code": exit_code,
        "set": asdict(result.made) if result.made else None,
        "failures": result.failures,
        "cleared": result.cleared,
        "uploaded": [asdict(one) for one in result.uploaded],
        "not_uploaded": result.not_uploaded,
        "removed": {"local": result.removed_local, "s3": result.removed_remote},
        "kept": {"local": result.kept_local, "s3": result.kept_remote},
        **({"would_dump": result.would_dump, "left_out": result.left_out} if dry_run else {}),
    }


def print_result(result: "Result", folder: str) -> None:
    """Say what came of a run."""
    for line in result.cleared:
        say(f"{mark('ok')} cleared {line}, which a dead run had left")
    if result.made is not None:
        good = [one for one in result.made.databases if one.outcome == "ok"]
        size = format_size(sum(one.bytes for one in good))
        outcomes = {one.outcome for one in result.made.servers} | {one.outcome for one in result.made.databases}
        sign = mark("ok" if outcomes == {"ok"} else "failed")
        say(f"{sign} set {result.made.stamp}: {plural(len(good), 'database')}, {size}, in {folder}")
    for sent in result.uploaded:
        proofs = ", ".join(f"{plural(count, 'file')} {_PROVED[how]}" for how, count in sent.proofs.items())
        say(f"{mark('ok')} sent {sent.stamp}: {format_size(sent.bytes)}, proved to have arrived: {proofs}")
    for stamp in result.not_uploaded:
        say(f"{mark('warning')} {stamp} lies here only; the next run sends it")
    for where, removed in (("here", result.removed_local), ("in S3", result.removed_remote)):
        if removed:
            say(f"{mark('ok')} deleted {plural(len(removed), 'set')} {where} that no rule keeps: {', '.join(removed)}")
    for kept in (result.kept_local, result.kept_remote):
        for stamp, why in kept.items():
            if why and why[0].startswith("last good"):
                say(f"{mark('note')} {stamp} is kept: {', '.join(why)}")
    print_failures(result)


def print_plan(result: "Result") -> None:
    """Say what a run would do."""
    rows = [["would clear", one] for one in result.cleared]
    rows += [["would dump", one] for one in result.would_dump]
    rows += [["leaves out", f"{name}: {why}"] for name, why in result.left_out.items()]
    rows += [["would send too", one] for one in result.not_uploaded]
    rows += [["would delete here", one] for one in result.removed_local]
    rows += [["would delete in S3", one] for one in result.removed_remote]
    say(table(rows) or "nothing to do")
    print_failures(result)


def print_failures(result: "Result") -> None:
    """Say what went wrong, a line each."""
    for failure in result.failures:
        say(f"{mark('failed')} {failure}")
