"""Servers with several databases each, as a fleet has them, and a folder for the scratch of each drill."""

import sys
from pathlib import Path

import psycopg
import pytest

sys.path.insert(0, str(Path(__file__).parent / "support"))
sys.path.insert(0, str(Path(__file__).parents[1] / "sabotage" / "support"))

from chaoslab.lab.databases import create_database
from chaoslab.postgres.servers.cluster import Cluster

QUICK = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "autovacuum": "off"}
NAMES = ("healthfinance_users", "healthfinance_billing", "healthfinance_audit")


class Source:
    """A server with databases of the lab's structure."""

    def __init__(self, folder, binaries, names):
        self.cluster = Cluster.create(folder, binaries, settings=QUICK)
        self.cluster.start()
        self.names = names
        for name in names:
            create_database(self.cluster.dsn(), name, 0.5)
            self.execute(
                "INSERT INTO chaoslab.heartbeat SELECT n, clock_timestamp() FROM generate_series(1, 3) n", name
            )

    @property
    def dsn(self):
        return self.cluster.dsn()

    @property
    def label(self):
        return f"127.0.0.1:{self.cluster.port}"

    def execute(self, sql, database="postgres"):
        with psycopg.connect(self.cluster.dsn(database), autocommit=True) as connection:
            return connection.execute(sql)


@pytest.fixture(scope="session")
def source(binaries, passable_root):
    """One server with three databases."""
    made = Source(passable_root / "source", binaries, NAMES)
    yield made
    made.cluster.destroy()


@pytest.fixture(scope="session")
def other(binaries, passable_root):
    """Another server, with a database of the same name as one of the first's, and a role of its own."""
    made = Source(passable_root / "other", binaries, NAMES[:1])
    made.execute("CREATE ROLE only_here; GRANT CREATE ON SCHEMA clinic TO only_here", NAMES[0])
    yield made
    made.cluster.destroy()


@pytest.fixture
def drill(state, scratch_base, tmp_path):
    """Run the drill over a fleet; the lab's heartbeat has no part in it."""
    from postgres_drill import run_drill

    def go(*variables, **options):
        given = (f"scratch_dir={scratch_base}", "heartbeat_acks=", *variables)
        return run_drill(tmp_path / "reports", *given, **{"file": "postgres-fleet", **options})

    return go
