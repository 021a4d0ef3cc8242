"""What Barman says, as plain data and as findings with stable codes. Pure, but for the identity that it keeps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from chaoslab.postgres.difference import Difference
from chaoslab.postgres.physical.programs import Answer
from chaoslab.postgres.physical.repository import BaseBackup, RepositoryFailed
from chaoslab.postgres.physical.wal import parse_lsn

_WHOLE = {"DONE", "WAITING_FOR_WALS"}
"""The states of a backup that can be recovered; the second one's last WAL may still be on its way."""
_SIGNS: tuple[tuple[str, tuple[str, ...], str], ...] = (
    (
        "scratch-disk-full",
        ("No space left on device",),
        "the scratch folder is full: choose another with --var scratch",
    ),
    (
        "repository-unreadable",
        ("Permission denied", "please run barman as"),
        "docs/backups.md says who has to be able to read what",
    ),
    ("stanza-missing", ("Unknown server", "Unknown backup"), ""),
    ("repository-config-missing", ("Configuration file", "configuration file"), ""),
    (
        "backup-corrupt",
        ("No such file or directory", "missing", "rsync", "checksum mismatch", "has size", "pg_verifybackup"),
        "",
    ),
)


def read_labels(text: str, server: str) -> list[str]:
    """Return the ids of the backups that can be recovered, from `list-backup`.

    Raises:
        RepositoryFailed: the text is not what this program writes.
    """
    return [str(one["backup_id"]) for one in _told(text, server) if one.get("status") in _WHOLE]


def read_backup(text: str, server: str, system_identifier: str) -> BaseBackup:
    """Return a backup as `show-backup` describes it.

    Raises:
        RepositoryFailed: the text is not what this program writes.
    """
    told = _told(text, server)
    try:
        about = told["base_backup_information"]
        return BaseBackup(
            label=str(told["backup_id"]),
            kind="full",
            started_at=float(about["begin_time_timestamp"]),
            ended_at=float(about["end_time_timestamp"]),
            start_lsn=parse_lsn(about["begin_lsn"]),
            stop_lsn=parse_lsn(about["end_lsn"]),
            timeline=int(about["timeline"]),
            system_identifier=system_identifier,
            server_major=int(told["postgresql_version"]) // 10000,
            bytes=int(about["disk_usage_bytes"]),
        )
    except (KeyError, ValueError, TypeError) as broken:
        raise _not_understood("show-backup", broken) from None


def read_system(identity: Path) -> str:
    """Return the system identifier that Barman noted for the server; '' when it noted none."""
    try:
        return str(json.loads(identity.read_text())["systemid"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def complaint(answer: Answer, where: str, *, otherwise: str) -> Difference:
    """Return the finding for what Barman complained about.

    Args:
        answer: how it ended
        where: the server or the backup
        otherwise: the code when nothing more is known
    """
    reasons = _reasons(answer)
    said = "\n".join(reasons)
    reason = reasons[0][:300] if reasons else f"barman ended with {answer.status}"
    for code, signs, remedy in _SIGNS:
        if any(sign in said for sign in signs):
            return Difference(code, where, f"{where}: {reason}" + (f"; {remedy}" if remedy else ""))
    return Difference(otherwise, where, f"{where}: {reason}")


def _reasons(answer: Answer) -> list[str]:
    """Return its errors: in JSON under _ERROR and _EXCEPTION, or as text before it could speak JSON."""
    try:
        told = json.loads(answer.output)
    except ValueError:
        told = {}
    said = [*told.get("_ERROR", ()), *told.get("_EXCEPTION", ())] if isinstance(told, dict) else []
    lines = [str(one).strip() for one in said] or [*answer.messages.splitlines(), *answer.output.splitlines()]
    return [line.removeprefix("ERROR: ").replace("\n", " ") for line in lines if line.strip()]


def _told(text: str, server: str) -> Any:
    try:
        return json.loads(text)[server]
    except (ValueError, KeyError, TypeError) as broken:
        raise _not_understood("list-backup", broken) from None


def _not_understood(command: str, broken: Exception) -> RepositoryFailed:
    return RepositoryFailed(f"barman {command} says what we do not understand: {type(broken).__name__} {broken}")
