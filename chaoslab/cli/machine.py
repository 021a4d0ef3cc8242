"""What this machine has of the things that exercises need. Looks only; changes nothing but a file of its own."""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from chaoslab.core.errors import ChaoslabError
from chaoslab.core.units import format_size
from chaoslab.runtime.places import temporary_folder

_PYTHON = (3, 12)
_ENGINE = (1, 45, 1)
_ROOM_BYTES = 1 << 30

_EXTRAS = {"pg": "PostgreSQL: backup and restore drills, and the lab"}
"""Extras that something in this version uses; the others make room for what is to come."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked for."""

    area: Literal["chaoslab", "postgres", "extras", "needs"]
    name: str
    outcome: Literal["ok", "missing"]
    found: str
    """What is there, or what was tried."""
    needed_for: str
    remedy: str = ""
    essential: bool = False
    """Whether no exercise at all runs without it."""


def look(reports: Path, state: Path) -> Iterator[Finding]:
    """Look for everything, the essential first."""
    yield _python()
    yield _engine()
    yield _folder("state folder", state, "the undo ledgers: without them nothing is injected", "XDG_STATE_HOME")
    yield _folder("reports folder", reports, "the run folders", "--reports")
    yield _room()
    yield _pidfd()
    yield from _postgres()
    for name, needed_for in _EXTRAS.items():
        yield _extra(name, needed_for)
    yield from _needs()


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    good = sys.version_info[:2] >= _PYTHON
    return Finding("chaoslab", "python", _word(good), version, "everything", "install Python 3.12 or newer", True)


def _engine() -> Finding:
    found = _version("chaostoolkit-lib")
    good = tuple(int(part) for part in found.split(".")[:3] if part.isdigit()) >= _ENGINE
    remedy = f"pip install 'chaostoolkit-lib>={'.'.join(map(str, _ENGINE))}'"
    return Finding("chaoslab", "chaostoolkit-lib", _word(good), found or "not installed", "everything", remedy, True)


def _folder(name: str, folder: Path, needed_for: str, setting: str) -> Finding:
    error = why_not_writable(folder)
    remedy = f"make it writable, or choose another one with {setting}"
    return Finding("chaoslab", name, _word(not error), error or str(folder), needed_for, remedy, True)


def why_not_writable(folder: Path) -> str:
    """Return '' when a file can be written into the folder, or into the one it would be made in; else why not."""
    nearest = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    if not nearest.is_dir():
        return f"{nearest} is a file"
    try:
        with tempfile.TemporaryFile(dir=nearest) as file:
            file.write(b"chaoslab")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return f"{nearest}: {error.strerror or error}"
    return ""


def _room() -> Finding:
    folder = temporary_folder()
    problem, free = why_not_writable(folder) if folder.exists() else f"there is no folder {folder}", 0
    if not problem:
        free = shutil.disk_usage(folder).free
    return Finding(
        "chaoslab",
        "free disk",
        _word(free >= _ROOM_BYTES),
        problem or f"{format_size(free)} in {folder}",
        "scratch servers and dumps: twice the size of what is restored",
        "free some, or set TMPDIR to a folder with more",
    )


def _pidfd() -> Finding:
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError:
        return Finding(
            "chaoslab", "pidfd", "missing", os.uname().release, "seeing the runner's death at once", "use Linux 5.3+"
        )
    return Finding("chaoslab", "pidfd", "ok", os.uname().release, "seeing the runner's death at once")


def _postgres() -> Iterator[Finding]:
    from chaoslab.core.errors import Missing
    from chaoslab.postgres.programs.binaries import find_binaries

    needed_for = "the lab and the restore drills"
    try:
        binaries = find_binaries()
    except Missing as missing:
        yield Finding("postgres", "server programs", "missing", missing.what, needed_for, missing.remedy)
        return
    yield Finding("postgres", "server programs", "ok", f"{binaries.version} in {binaries.bin}", needed_for)
    for name in ("pg_dump", "pg_restore", "pg_basebackup"):
        try:
            yield Finding("postgres", name, "ok", str(binaries.program(name)), "backups")
        except ChaoslabError as error:
            yield Finding("postgres", name, "missing", str(error), "backups", "apt-get install postgresql-client")


def _extra(name: str, needed_for: str) -> Finding:
    wanted = [requirement for requirement in metadata.requires("chaoslab") or () if f"extra == '{name}'" in requirement]
    names = [_distribution(requirement) for requirement in wanted]
    absent = [distribution for distribution in names if not _version(distribution)]
    installed = ", ".join(f"{distribution} {_version(distribution)}" for distribution in names)
    found = f"no {', no '.join(absent)}" if absent else installed
    return Finding("extras", name, _word(not absent), found, needed_for, f"pip install 'chaoslab[{name}]'")


def _needs() -> Iterator[Finding]:
    """Ask what the guard asks before a run: each capability that exercises of the catalog need."""
    from chaoslab.cli.catalog import Listed, listed
    from chaoslab.engine.needs import looked_for, missing

    entries = [entry for entry in listed() if isinstance(entry, Listed)]
    for need in looked_for():
        names = ", ".join(entry.name for entry in entries if need in entry.needs)
        if names:
            absent = missing([need])
            found = "not here" if absent else "here"
            yield Finding("needs", need, _word(not absent), found, names, absent[0].remedy if absent else "")


def _distribution(requirement: str) -> str:
    """Return the name in a requirement such as `psycopg[binary]>=3.3; extra == 'pg'`."""
    end = next((n for n, letter in enumerate(requirement) if not (letter.isalnum() or letter in "-_.")), None)
    return requirement[:end]


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ""


def _word(good: bool) -> Literal["ok", "missing"]:
    return "ok" if good else "missing"
