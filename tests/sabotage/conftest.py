"""Servers to break things on: a healthy source, and a forge that makes broken copies of it."""

import sys
from pathlib import Path

import psycopg
import pytest
from catalog_runs import usual_lab

from chaoslab.lab.databases import create_database
from chaoslab.postgres.servers.cluster import Cluster

sys.path.insert(0, str(Path(__file__).parent / "support"))

DATABASE = "healthfinance_users"
COMMENT = """DO $$ BEGIN EXECUTE format('COMMENT ON DATABASE {} IS %L', (SELECT shobj_description(oid, 'pg_database')
    FROM pg_database WHERE datname = 'original')); END $$"""
QUICK = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "autovacuum": "off"}


class Forge:
    """A server with a database of the lab's structure, and copies of it to break."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.database = DATABASE

    @property
    def dsn(self):
        return self.cluster.dsn(self.database)

    def execute(self, *statements, database="postgres"):
        with psycopg.connect(self.cluster.dsn(database), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)

    def renew(self):
        """Have a healthy copy again, named as the original; a copy has neither settings nor a comment of its own."""
        healthy = (
            "DROP DATABASE IF EXISTS {}",
            "CREATE DATABASE {} TEMPLATE original OWNER healthfinance_owner",
            "ALTER DATABASE {} SET datestyle = 'ISO, DMY'",
            "GRANT CONNECT ON DATABASE {} TO healthfinance_readonly",
            COMMENT,
        )
        self.execute(*(statement.format(self.database) for statement in healthy))

    def mutate(self, sql):
        self.execute(sql.replace("{database}", self.database), database=self.database)


@pytest.fixture(scope="session")
def forge(binaries, passable_root):
    """A server of its own, with `original` beside the copies."""
    cluster = Cluster.create(passable_root / "forge", binaries, settings=QUICK)
    cluster.start()
    try:
        create_database(cluster.dsn(), "original", 1)
        forge = Forge(cluster)
        forge.renew()
        yield forge
    finally:
        cluster.destroy()


@pytest.fixture(scope="session")
def lab(binaries, passable_root):
    """A small running lab, with its heartbeat and service at work, that is the usual one while the tests run."""
    with usual_lab(passable_root / "lab", size_mb=1) as made:
        yield made
