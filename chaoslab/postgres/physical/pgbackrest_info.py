"""What `pgbackrest info`, `repo-ls` and `verify` say, as plain data. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from chaoslab.postgres.difference import Difference
from chaoslab.postgres.physical.repository import BaseBackup, RepositoryFailed, WalFile
from chaoslab.postgres.physical.wal import parse_lsn

_KINDS: dict[str, Literal["full", "differential", "incremental"]] = {
    "full": "full",
    "diff": "differential",
    "incr": "incremental",
}
_ARCHIVED = re.compile(
    r"(?:^|/)(?P<name>[0-9A-F]{24}|[0-9A-F]{8}\.history)(?:-[0-9a-f]{40})?(?:\.(?:gz|lz4|zst|bz2))?$"
)
_SECTION = re.compile(r"^  (?P<kind>archiveId|backup): (?P<name>[^,]+)(?P<rest>.*)$")
_COUNT = re.compile(r"(?P<what>missing|checksum invalid|size invalid|other): (?P<count>\d+)")


@dataclass(frozen=True, slots=True)
class Stanza:
    """One stanza in one repository, as `pgbackrest info` tells it."""

    code: int
    """pgBackRest's own status: 0 ok, 1 no such stanza, 2 no backup, 3 no data of the stanza, 99 something else."""
    message: str
    archive_id: str
    """The folder of the archive of the server as it is now, such as `15-1`."""
    backups: tuple[BaseBackup, ...]
    """Those of the server as it is now, the oldest first; an upgrade leaves the older ones behind."""
    with_bad_pages: frozenset[str]
    """Labels of backups during which pages failed their checksums."""


def read_info(text: str, stanza: str) -> Stanza:
    """Return a stanza as `info --output=json --repo=N` tells it.

    Raises:
        RepositoryFailed: the text is not what this program writes.
    """
    try:
        # A wrong key can turn a file into noise, which is then quoted: control characters and all.
        told = next(one for one in json.loads(text, strict=False) if one["name"] == stanza)
        statuses = [one["status"] for one in told.get("repo", ())] or [told["status"]]
        status = max(statuses, key=lambda one: int(one["code"]))
        databases = sorted(told["db"], key=lambda one: int(one["id"]))
        current = databases[-1] if databases else {"id": 0, "version": "0", "system-id": 0}
        mine = [one for one in told["backup"] if one["database"]["id"] == current["id"]]
        return Stanza(
            code=int(status["code"]),
            message=_without_noise(str(status["message"]), encrypted=told.get("cipher", "none") != "none"),
            archive_id=f"{current['version']}-{current['id']}",
            backups=tuple(sorted((_backup(one, current) for one in mine), key=lambda one: one.ended_at)),
            with_bad_pages=frozenset(one["label"] for one in mine if one.get("error")),
        )
    except (ValueError, KeyError, TypeError, StopIteration) as broken:
        what = f"pgbackrest info says what we do not understand: {type(broken).__name__} {broken}"
        raise RepositoryFailed(f"{what}; is it older than 2.40?") from None


def _without_noise(message: str, *, encrypted: bool) -> str:
    """Return the message; a wrong key now and then opens a file all the same, and what comes out is no text."""
    if encrypted and "FormatError" in message and "unable to load info file" in message:
        return "CryptoError: unable to load info file: what is in it makes no sense"
    return message


def _backup(told: dict[str, Any], database: dict[str, Any]) -> BaseBackup:
    return BaseBackup(
        label=str(told["label"]),
        kind=_KINDS[told["type"]],
        started_at=float(told["timestamp"]["start"]),
        ended_at=float(told["timestamp"]["stop"]),
        start_lsn=parse_lsn(told["lsn"]["start"]),
        stop_lsn=parse_lsn(told["lsn"]["stop"]),
        timeline=int(told["archive"]["start"][:8], 16),
        system_identifier=str(database["system-id"]),
        server_major=int(str(database["version"]).split(".")[0]),
        bytes=int(told["info"]["size"]),
        needs=tuple(told.get("reference") or ()),
    )


def read_archive(text: str) -> list[WalFile]:
    """Return the segments and histories in what `repo-ls --recurse --output=json` lists, by name.

    Their bytes are those in the repository: compressed and encrypted as they are there.
    """
    files = []
    for path, told in json.loads(text or "{}").items():
        match = _ARCHIVED.search(path)
        if match and told.get("type") == "file":
            files.append(WalFile(match["name"], int(told["size"]), float(told["time"])))
    return sorted(files, key=lambda one: one.name)


def read_verify(text: str, backup: BaseBackup) -> list[Difference]:
    """Return what `verify --output=text --verbose` found wrong with a backup and with the archive."""
    found = list(_each_damage(text, backup.label))
    if not found and "status: error" in text and "No usable" in text:
        what = "; ".join(line.strip() for line in text.splitlines() if "No usable" in line)
        found.append(Difference("stanza-missing", "repository", f"pgbackrest verify: {what}"))
    return found


def _each_damage(text: str, label: str) -> Iterator[Difference]:
    kind, name = "", ""
    for line in text.splitlines():
        section = _SECTION.match(line)
        if section:
            kind, name = section["kind"], section["name"]
            continue
        counts = {match["what"]: int(match["count"]) for match in _COUNT.finditer(line)}
        bad = ", ".join(f"{what}: {count}" for what, count in counts.items() if count)
        if bad and kind == "archiveId":
            message = f"pgbackrest verify finds WAL damaged in {name} ({bad})"
            yield Difference("wal-damaged", name, message, expected="every segment as it was archived", actual=bad)
        elif bad and name == label:
            message = f"pgbackrest verify finds files of {name} damaged ({bad})"
            yield Difference("backup-corrupt", name, message, expected="every file as it was backed up", actual=bad)
