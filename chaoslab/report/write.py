"""From a run folder to its reports. All that is needed is the run log, whole or torn."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from chaoslab.core.errors import BadUsage
from chaoslab.core.record import Record, record_of
from chaoslab.core.verdict import judge
from chaoslab.report import jsonfile, markdown
from chaoslab.report.build import report_from
from chaoslab.report.clean import BadValue
from chaoslab.report.evidence import evidence_of
from chaoslab.report.model import Evidence, Report
from chaoslab.runtime.runlog import NAME, each_event

FORMATS: dict[str, Callable[[Report], str]] = {jsonfile.NAME: jsonfile.render, markdown.NAME: markdown.render}
"""File name -> how it is made. A format is a file of its own with `NAME` and `render`."""

_ATTEMPTS = 5


class Written(NamedTuple):
    """The reports of one run folder."""

    report: Report
    paths: tuple[Path, ...]


def report_of(folder: Path) -> Report:
    """Judge a stored run and return its report, without writing anything.

    Raises:
        BadUsage: there is no such folder, or no run log in it that says which run it was.
    """
    record, evidence = _read(folder)
    try:
        return report_from(record, judge(record), evidence)
    except BadValue as error:
        raise BadUsage(f"{folder / NAME}: the run log is damaged: {error}") from error


def write_reports(folder: Path) -> Written:
    """Judge a stored run and write its reports into its folder; on a full disk the old ones stay as they are.

    Raises:
        BadUsage: as for `report_of`; or the folder cannot be written.
    """
    report = report_of(folder)
    texts = {folder / name: render(report) for name, render in FORMATS.items()}
    try:
        _replace(texts)
    except OSError as error:
        reason = error.strerror or str(error)
        raise BadUsage(f"cannot write the reports into {folder}: {reason}; --json prints the report instead") from error
    return Written(report, tuple(texts))


def _read(folder: Path) -> tuple[Record, list[Evidence]]:
    path = folder / NAME
    try:
        for _ in range(_ATTEMPTS):  # a reaper may still be writing: the digest must be that of what was read
            before = path.stat()
            record, evidence = record_of(each_event(path)), evidence_of(folder)
            after = path.stat()
            if (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns):
                break
    except OSError as error:
        raise BadUsage(_unreadable(folder, error)) from error
    except ValueError as error:
        raise BadUsage(f"{path}: {error}") from error
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise BadUsage(f"{path}: the run log is damaged: {type(error).__name__}: {error}") from error
    return record, evidence


def _unreadable(folder: Path, error: OSError) -> str:
    if not os.path.exists(folder):
        return f"{folder}: there is no such folder"
    if not os.path.isdir(folder):
        return f"{folder} is not a folder; give the run folder, the one with {NAME} in it"
    if isinstance(error, FileNotFoundError):
        runs = sorted(log.parent for log in folder.glob(f"*/{NAME}"))
        hint = f"; it holds run folders, name one: {runs[-1]}" if runs else ""
        return f"{folder} is not a run folder: it has no {NAME}{hint}"
    return f"cannot read {folder / NAME}: {error.strerror or error}"


def _replace(texts: dict[Path, str]) -> None:
    """Write all files beside their places first and then move them there, so that a full disk leaves the old ones."""
    drafts = {path.with_name(f".{path.name}.{os.getpid()}.tmp"): path for path in texts}
    try:
        for draft, path in drafts.items():
            with draft.open("w", encoding="utf-8", newline="\n") as file:
                file.write(texts[path])
                file.flush()
                os.fsync(file.fileno())
        for draft, path in drafts.items():
            draft.replace(path)
    finally:
        for draft in drafts:
            with suppress(OSError):
                draft.unlink()
