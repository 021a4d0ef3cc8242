"""Fetch a file out of a repository's WAL as a recovering server does: by its `restore_command`."""

from __future__ import annotations

import tempfile
from pathlib import Path

from chaoslab.postgres.physical import wal_header
from chaoslab.postgres.physical.repository import Repository
from chaoslab.postgres.physical.wal import Switch, history_of, parse_history, parse_segment
from chaoslab.postgres.physical.wal_header import WalHeader
from chaoslab.postgres.programs.commands import PostgresFailed, run
from chaoslab.postgres.servers.folders import give

DEADLINE_S = 60.0
_MIB = 2**20


def fetch(repository: Repository, name: str) -> bytes | None:
    """Return an archived file; None when it does not come.

    Args:
        repository: where it is
        name: of a segment or a history file
    """
    with tempfile.TemporaryDirectory(prefix="chaoslab-wal-") as folder:
        place = Path(folder)
        place.chmod(0o700)
        give(place, repository.user)
        target = place / "file"
        command = _filled(repository.restore_command(), name, target)
        try:
            run(["sh", "-c", f"cd {folder} && {command}"], deadline_s=DEADLINE_S, user=repository.user)
            return target.read_bytes()
        except (PostgresFailed, OSError):
            return None


def header_of(repository: Repository, name: str) -> WalHeader | None:
    """Return what the beginning of an archived segment says; None when it does not come or is none."""
    content = fetch(repository, name)
    return wal_header.parse(content) if content is not None else None


def histories(repository: Repository, names: list[str]) -> dict[int, tuple[Switch, ...]]:
    """Return the ancestors of each timeline whose history is archived."""
    found = {}
    for name in names:
        timeline = history_of(name)
        if timeline is not None and (text := fetch(repository, name)) is not None:
            found[timeline] = parse_history(text.decode(errors="replace"))
    return found


def first_header(repository: Repository, names: list[str], tries: int = 3) -> WalHeader | None:
    """Return the header of one of the first segments of an archive."""
    segments = [name for name in names if parse_segment(name, _MIB) is not None]
    return next((header for name in segments[:tries] if (header := header_of(repository, name))), None)


def _filled(command: str, name: str, target: Path) -> str:
    """Return a `restore_command` with its placeholders filled."""
    filled, rest = "", command
    while rest:
        before, sign, rest = rest.partition("%")
        filled += before
        if sign:
            letter, rest = rest[:1], rest[1:]
            filled += {"f": name, "p": str(target), "%": "%", "r": name}.get(letter, f"%{letter}")
    return filled
