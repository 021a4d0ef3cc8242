"""Open a repository of physical backups by the name of its tool."""

from __future__ import annotations

from pathlib import Path

from chaoslab.core.errors import BadUsage
from chaoslab.postgres.physical.barman import open_barman
from chaoslab.postgres.physical.folder import FolderRepository
from chaoslab.postgres.physical.pgbackrest import open_pgbackrest
from chaoslab.postgres.physical.repository import Repository

TOOLS = ("folder", "pgbackrest", "barman")


def open_repository(tool: str, **where: str) -> Repository:
    """Return a repository; nothing is read yet.

    Args:
        tool: whose it is: `folder`, `pgbackrest` or `barman`
        where: where it is; '' stands for what is usual. For `folder`: `backups`, the folder of the base backups;
            `wal`, the folder of the archived WAL; `bin_dir`, where pg_combinebackup is. For `pgbackrest`: `stanza`,
            `config`, the configuration file, and `repo`, the number of the repository in it. For `barman`: `server`
            and `config`. For both: `work`, a folder in the scratch folder in which the tool may write, needed for
            fetching WAL, and `jobs`, how many processes it may use

    Raises:
        BadUsage: there is no such tool, or it is not said where the repository is.
    """
    if tool == "folder":
        return _folder(where)
    work = Path(where["work"]).absolute() if where.get("work") else None
    jobs = int(where.get("jobs") or 2)
    if tool == "pgbackrest":
        given = {name: where[name] for name in ("stanza", "config", "repo") if where.get(name)}
        return open_pgbackrest(**given, work=work, jobs=jobs)
    if tool == "barman":
        given = {name: where[name] for name in ("server", "config") if where.get(name)}
        return open_barman(**given, work=work, jobs=jobs)
    raise BadUsage(f"there is no repository of {tool!r}; choose one of {', '.join(TOOLS)}")


def _folder(where: dict[str, str]) -> FolderRepository:
    for name in ("backups", "wal"):
        if not where.get(name):
            raise BadUsage(f"{name}: say in which folder; a repository `folder` needs `backups` and `wal`")
    return FolderRepository(Path(where["backups"]).absolute(), Path(where["wal"]).absolute(), where.get("bin_dir", ""))
