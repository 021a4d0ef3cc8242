"""Recovery by us against `cp` of the same base backup and the same server's own replay, side by side in one run.

By hand: cp -a, the same configuration, pg_ctl start, until the server takes connections. Both recover the same backup
with the same WAL; each side begins with the other's page cache. The drill holds the backup's files against its
manifest at the same time; that is left out on both sides.
"""

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg
from _harness import Row, paired, table

from chaoslab.postgres.physical.archiving import archive_command
from chaoslab.postgres.physical.base_backup import take_base_backup
from chaoslab.postgres.physical.fencing import fence
from chaoslab.postgres.physical.folder import FolderRepository
from chaoslab.postgres.physical.recover import Recovering, recover
from chaoslab.postgres.physical.target import parse_target
from chaoslab.postgres.programs.binaries import Binaries, find_binaries
from chaoslab.postgres.programs.commands import run, server_user
from chaoslab.postgres.servers.cluster import Cluster
from chaoslab.postgres.servers.folders import give

ROWS = int(os.environ.get("CHAOSLAB_BENCH_ROWS", "2000000"))
"""Rows before the base backup, some 130 bytes each; a third as many are written after it, which is what is replayed."""
RUNS = 5
DEADLINE_S = 3600.0
SETTINGS: dict[str, str | int] = {
    "fsync": "off",
    "wal_level": "replica",
    "archive_mode": "on",
    "max_wal_size": "4GB",
    "archive_timeout": "1s",
}


def fill(home: Path, binaries: Binaries) -> FolderRepository:
    """Make a server, a base backup of it, and WAL to replay."""
    archive = home / "archive"
    archive.mkdir(mode=0o700)
    give(archive, server_user())
    settings = {**SETTINGS, "archive_command": archive_command(archive)}
    cluster = Cluster.create(home / "original", binaries, settings=settings, superuser="postgres", checksums=True)
    cluster.start()
    try:
        with psycopg.connect(cluster.dsn(), autocommit=True) as connection:
            rows = "SELECT n, repeat(md5(n::text), 3) FROM generate_series(1, {}) n"
            connection.execute(f"CREATE TABLE t AS {rows.format(ROWS)}")
            base = home / "base" / "one"
            take_base_backup(cluster, base, binaries, form="plain", deadline_s=DEADLINE_S, watch=lambda: None)
            connection.execute(f"INSERT INTO t {rows.format(ROWS // 3)}")
            row = connection.execute("SELECT pg_walfile_name(pg_current_wal_lsn()), pg_switch_wal()").fetchone()
            while row and not (archive / str(row[0])).exists():
                time.sleep(0.05)
    finally:
        cluster.destroy()
    return FolderRepository(home / "base", archive)


def by_us_s(home: Path, repository: FolderRepository, binaries: Binaries) -> float:
    """Recover by the library; return the seconds."""
    tablespaces = home / "tablespaces"
    tablespaces.mkdir(exist_ok=True)
    [backup] = repository.backups()
    begun_s = time.perf_counter()
    how = Recovering(home / "ours", tablespaces, binaries, deadline_s=DEADLINE_S)
    cluster = recover(repository, backup, parse_target("latest"), how).cluster
    took_s = time.perf_counter() - begun_s
    cluster.destroy()
    return took_s


def by_hand_s(home: Path, repository: FolderRepository, binaries: Binaries) -> float:
    """Do the same by hand; return the seconds from `cp` to the first connection."""
    cluster = Cluster.create(home / "hand", binaries, superuser="postgres", settings={})
    shutil.rmtree(cluster.data)
    begun_s = time.perf_counter()
    subprocess.run(["cp", "-a", repository.base / "one", cluster.data], check=True)
    fence(cluster, binaries, {"restore_command": f'cp {repository.archive}/%f "%p"'})
    command: list[str | Path] = [binaries.program("pg_ctl"), "start", "-W", "-s", "-D", cluster.data, "-l", cluster.log]
    run(command, deadline_s=60.0, user=cluster.user)
    while "ready to accept connections" not in cluster.log.read_text():
        time.sleep(0.01)
    took_s = time.perf_counter() - begun_s
    cluster.destroy()
    return took_s


def measure() -> list[Row]:
    """Return the rows of the table."""
    binaries = find_binaries()
    home = Path(tempfile.mkdtemp(prefix="chaoslab-bench-"))
    home.chmod(0o711)
    try:
        repository = fill(home, binaries)
        size_mb = sum(path.stat().st_size for path in (home / "base").rglob("*") if path.is_file()) / 1e6
        wal_mb = sum(one.bytes for one in repository.wal()) / 1e6
        what = f"recovery of {size_mb:.0f} MB and {wal_mb:.0f} MB of WAL / cp and the server's own replay"

        def ours() -> float:
            return by_us_s(home, repository, binaries)

        def other() -> float:
            return by_hand_s(home, repository, binaries)

        return [paired(what, ours, other, runs=RUNS, goal=1.10)]
    finally:
        shutil.rmtree(home)


if __name__ == "__main__":
    print(table(measure()))
