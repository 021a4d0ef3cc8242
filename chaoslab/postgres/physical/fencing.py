"""Make a restored data folder safe to start: it is a copy of a production server, and would behave as one.

Nothing of its own configuration is kept: it would archive into production's repository, connect to production's
primary, run production's jobs, and let production's clients in. What recovery itself depends on stands in pg_control.
"""

from __future__ import annotations

import getpass
import re
from collections.abc import Mapping
from pathlib import Path

from chaoslab.postgres.difference import Difference
from chaoslab.postgres.programs.binaries import Binaries
from chaoslab.postgres.programs.commands import run
from chaoslab.postgres.servers.cluster import Cluster
from chaoslab.postgres.servers.folders import write_private

SUPERUSERS = ("postgres", "chaoslab_scratch")
"""Names that the first superuser may have; when it has none of these, it is asked for in single-user mode."""
_AT_LEAST = {
    "max_connections setting": "max_connections",
    "max_worker_processes setting": "max_worker_processes",
    "max_wal_senders setting": "max_wal_senders",
    "max_prepared_xacts setting": "max_prepared_transactions",
    "max_locks_per_xact setting": "max_locks_per_transaction",
}
_FENCE: dict[str, str | int] = {
    "archive_mode": "off",
    "archive_command": "",
    "primary_conninfo": "",
    "primary_slot_name": "",
    "hot_standby": "off",  # nobody asks before it is promoted, and so no setting must match the original's
    "max_logical_replication_workers": 0,  # subscriptions of the original would fetch what is not ours
    "lc_messages": "C",  # the log is read
    "log_line_prefix": "%m [%p] ",
    "logging_collector": "off",
    "log_destination": "stderr",
    "log_min_messages": "warning",
    "shared_buffers": "128MB",
    "log_checkpoints": "on",
}
_LIBRARIES = re.compile(r"^\s*shared_preload_libraries\s*=?\s*'?(?P<value>[^'#\n]*)", re.MULTILINE)
_AT_WORK = {"pg_cron", "pglogical", "bgw_replstatus", "pg_partman_bgw", "pgagent", "repmgr", "pg_squeeze", "worker_spi"}
"""Libraries whose workers would set to work on the copy as they do on the original."""
_OWN_FILES = ("postgresql.conf", "postgresql.auto.conf", "pg_hba.conf", "pg_ident.conf", "postmaster.opts")
_SIGNALS = ("recovery.signal", "standby.signal", "postmaster.pid", "promote", "recovery.conf")


def fence(cluster: Cluster, binaries: Binaries, recovery: Mapping[str, str]) -> list[Difference]:
    """Replace the configuration of a restored data folder by ours, and tell the server to recover.

    Args:
        cluster: the server in whose data folder the backup lies
        binaries: server programs of the backup's major version
        recovery: `restore_command` and the target's settings

    Raises:
        PostgresFailed: pg_controldata does not understand the folder.
    """
    libraries, found = _libraries(cluster.data, binaries)
    for name in (*_OWN_FILES, *_SIGNALS):
        (cluster.data / name).unlink(missing_ok=True)
    for slot in (cluster.data / "pg_replslot").glob("*/*"):
        slot.unlink()  # a slot would keep WAL for a standby that never comes
    for slot in (cluster.data / "pg_replslot").glob("*"):
        slot.rmdir()
    write_private(cluster.data / "postgresql.conf", "include 'chaoslab.conf'\n", cluster.user)
    write_private(cluster.data / "pg_hba.conf", _HBA, cluster.user)
    write_private(cluster.data / "pg_ident.conf", _idents(cluster), cluster.user)
    settings = {**_FENCE, **_sizes(cluster, binaries), **recovery}
    if libraries:
        settings["shared_preload_libraries"] = ",".join(libraries)
    cluster.configure(settings)
    write_private(cluster.data / "recovery.signal", "", cluster.user)
    return found


def system_identifier(data: Path, binaries: Binaries, cluster: Cluster) -> str:
    """Return the identifier that a restored data folder carries.

    Raises:
        PostgresFailed: pg_controldata does not understand the folder.
    """
    return _control(data, binaries, cluster).get("Database system identifier", "")


_HBA = """\
# The socket lies in a folder that only the server's user and root can enter; they are asked who they are.
local all all peer map=chaoslab
host all all 127.0.0.1/32 scram-sha-256
"""


def _idents(cluster: Cluster) -> str:
    people = {getpass.getuser(), "root", *([cluster.user.name] if cluster.user else [])}
    return "".join(f'chaoslab "{person}" "{role}"\n' for person in sorted(people) for role in SUPERUSERS)


def _sizes(cluster: Cluster, binaries: Binaries) -> dict[str, str | int]:
    """Return settings that must be at least what they were where the WAL was written."""
    control = _control(cluster.data, binaries, cluster)
    return {ours: int(control[theirs]) for theirs, ours in _AT_LEAST.items() if control.get(theirs, "").isdigit()}


def _control(data: Path, binaries: Binaries, cluster: Cluster) -> dict[str, str]:
    said = run([binaries.program("pg_controldata"), "-D", data], deadline_s=20.0, user=cluster.user)
    pairs = (line.partition(":") for line in said.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def _libraries(data: Path, binaries: Binaries) -> tuple[list[str], list[Difference]]:
    """Return the preloaded libraries that are here and stay idle, and findings about the others."""
    wanted: list[str] = []
    for name in ("postgresql.conf", "postgresql.auto.conf"):
        if (data / name).exists():
            given = _LIBRARIES.findall((data / name).read_text(errors="replace"))
            wanted = [word.strip(' "') for word in given[-1].split(",")] if given else wanted
    place = _library_folder(binaries)
    kept, found = [], []
    for library in filter(None, wanted):
        here = (place / f"{Path(library).name}.so").exists()
        if here and library not in _AT_WORK:
            kept.append(library)
            continue
        why = "would set to work on the copy" if here else "is not installed here"
        message = f"the original preloads {library}, which {why}: recovered without it"
        found.append(Difference("preload-left-out", library, message, severity="note"))
    return kept, found


def _library_folder(binaries: Binaries) -> Path:
    return Path(run([binaries.program("pg_config"), "--pkglibdir"], deadline_s=10.0).strip())
