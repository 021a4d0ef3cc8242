"""What a run tells Prometheus, as a file for the node exporter's textfile collector."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from chaoslab.backup.run import Result
from chaoslab.backup.stamp import instant_of
from chaoslab.core.errors import BadUsage
from chaoslab.runtime.clock import CLOCK


def write_metrics(path: Path, result: Result) -> None:
    """Replace the file at once: a scrape never sees half of it.

    Raises:
        BadUsage: it cannot be written.
    """
    new = path.with_name(f".{path.name}.new")
    try:
        new.write_text("".join(f"{line}\n" for line in _lines(result)))
        new.chmod(0o644)  # the collector runs as another user
        os.replace(new, path)
    except OSError as broken:
        raise BadUsage(f"--metrics {path}: {broken.strerror}") from None


def _lines(result: Result) -> Iterator[str]:
    yield from _gauge("run_timestamp_seconds", "When the last run ended.", CLOCK.wall().timestamp())
    yield from _gauge("run_ok", "Whether all that was asked for was done.", int(result.outcome == "ok"))
    yield from _gauge("sets_not_uploaded", "Whole sets that lie here only.", len(result.not_uploaded))
    if result.made is None:
        return
    yield from _gauge("set_timestamp_seconds", "When the set was begun.", instant_of(result.made.stamp).timestamp())
    for name, what in (("ok", "Whether it was dumped."), ("bytes", "Its dump."), ("duration_seconds", "Its dumping.")):
        yield f"# HELP chaoslab_backup_database_{name} {what}"
        yield f"# TYPE chaoslab_backup_database_{name} gauge"
        for one in result.made.databases:
            value = {"ok": int(one.outcome == "ok"), "bytes": one.bytes, "duration_seconds": one.duration_s}[name]
            labels = f'server="{_quoted(one.server)}",database="{_quoted(one.database)}"'
            yield f"chaoslab_backup_database_{name}{{{labels}}} {value}"


def _gauge(name: str, what: str, value: float) -> Iterator[str]:
    yield f"# HELP chaoslab_backup_{name} {what}"
    yield f"# TYPE chaoslab_backup_{name} gauge"
    yield f"chaoslab_backup_{name} {value}"


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
