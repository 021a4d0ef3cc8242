"""A small server that archives into a folder, with one base backup: for what must not happen to the one all share."""

import psycopg
from folder_lab import wait_until

from chaoslab.postgres.physical.archiving import archive_command
from chaoslab.postgres.physical.base_backup import take_base_backup
from chaoslab.postgres.programs.commands import server_user
from chaoslab.postgres.servers.cluster import Cluster
from chaoslab.postgres.servers.folders import give


class SmallLab:
    """The server, and its repository of two folders."""

    def __init__(self, folder, programs):
        self.folder = folder
        for path in (folder, folder / "archive"):
            path.mkdir()
            path.chmod(0o711)
            give(path, server_user())
        archive = archive_command(folder / "archive")
        settings = {"fsync": "off", "wal_level": "replica", "archive_mode": "on", "archive_command": archive}
        self.cluster = Cluster.create(folder / "server", programs, settings=settings, wal_segment_mb=1)
        self.cluster.start()
        self.sql("CREATE TABLE thing AS SELECT 1 AS id")
        take_base_backup(self.cluster, folder / "base" / "first", programs, deadline_s=120, watch=lambda: None)

    @property
    def source(self):
        return f"source={self.cluster.dsn()}"

    @property
    def where(self):
        return {"backups": f"{self.folder}/base", "wal": f"{self.folder}/archive"}

    @property
    def variables(self):
        return ("disaster=declared", *(f"{name}={value}" for name, value in self.where.items()))

    def sql(self, statement):
        with psycopg.connect(self.cluster.dsn(), autocommit=True) as connection:
            done = connection.execute(statement)
            return done.fetchone() if done.description else None

    def switch(self):
        name, _ = self.sql("SELECT pg_walfile_name(pg_current_wal_insert_lsn()), pg_switch_wal()")
        wait_until((self.folder / "archive" / name).exists, what=f"the segment {name}")
