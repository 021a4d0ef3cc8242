"""Open a repository of physical backups by the name of its tool."""

from __future__ import annotations

from pathlib import Path

from chaoslab.core.errors import BadUsage
from chaoslab.postgres.physical.folder import FolderRepository
from chaoslab.postgres.physical.repository import Repository

TOOLS = ("folder",)


def open_repository(tool: str, **where: str) -> Repository:
    """Return a repository; nothing is read yet.

    Args:
        tool: whose it is: `folder`
        where: where it is. For `folder`: `backups`, the folder of the base backups; `wal`, the folder of the archived
            WAL; `bin_dir`, where pg_combinebackup is, '' to look for it

    Raises:
        BadUsage: there is no such tool, or it is not said where the repository is.
    """
    if tool == "folder":
        return _folder(where)
    raise BadUsage(f"there is no repository of {tool!r}; choose one of {', '.join(TOOLS)}")


def _folder(where: dict[str, str]) -> FolderRepository:
    for name in ("backups", "wal"):
        if not where.get(name):
            raise BadUsage(f"{name}: say in which folder; a repository `folder` needs `backups` and `wal`")
    return FolderRepository(Path(where["backups"]).absolute(), Path(where["wal"]).absolute(), where.get("bin_dir", ""))
