"""A role that may only read is enough for the whole drill, and the source is as it was: docs/source-role.md."""

import re
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

sys.path.insert(0, str(Path(__file__).parent / "support"))
from onlooker import Onlooker

from chaoslab.lab.databases import create_database
from chaoslab.postgres.servers.cluster import Cluster

ROOT = Path(__file__).parents[2]
DATABASE, ROLE, PASSWORD = "shop", "chaoslab_reader", "only-to-read-5f2c"
HOUSEKEEPING = {"Standby/RUNNING_XACTS", "XLOG/CHECKPOINT_ONLINE"}
"""What a server writes on its own when its clock says so."""
OF_READERS = {"XLOG/FPI_FOR_HINT", "Heap2/PRUNE", "Heap2/PRUNE_ON_ACCESS"}
LARGE_OBJECTS = {"pg_largeobject", "pg_largeobject_loid_pn_index"}
"""The server itself opens these with ROW EXCLUSIVE, also for reading; that stands in nobody's way."""
CONNECTING = {"pg_database"}
"""The server locks the database itself for the instant in which any session begins, against its being dropped."""
SETTLED_S = 20.0
"""The background writer notes the running transactions once more within 15 s of the last change."""


class Source:
    """A server that nobody but the drill uses."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.dsn = cluster.dsn(DATABASE)

    def ask(self, query):
        with psycopg.connect(self.dsn, autocommit=True, application_name="onlooker") as connection:
            return connection.execute(query).fetchall()

    def execute(self, *statements):
        with psycopg.connect(self.dsn, autocommit=True) as admin:
            for statement in statements:
                admin.execute(statement)

    def position(self):
        return self.ask("SELECT pg_current_wal_flush_lsn()::text, pg_current_wal_insert_lsn()::text")[0]

    def records(self, begin, end):
        """Return the kinds of the WAL records between two positions."""
        if begin == end:
            return set()
        self.execute("SELECT pg_switch_wal()")  # so that all before is on disk
        words = [self.cluster.bin / "pg_waldump", "--path", self.cluster.data / "pg_wal", "--start", begin]
        done = subprocess.run([*words, "--end", end], capture_output=True, text=True, check=True)
        found = re.findall(r"^rmgr: (\S+) .*? desc: (\S+)", done.stdout, re.MULTILINE)
        return {f"{manager}/{kind}" for manager, kind in found}

    def grants(self):
        """Make the role with the statements of the manual, as they stand there."""
        manual = (ROOT / "docs" / "source-role.md").read_text()
        [needed] = re.findall(r"<!-- grants -->\s+```sql\n(.*?)```", manual, re.DOTALL)
        self.execute(needed.replace("DATABASE_NAME", DATABASE).replace("CHOOSE_ONE", PASSWORD))
        return self.cluster.dsn(DATABASE, user=ROLE, password=PASSWORD)


@pytest.fixture(scope="module")
def server(binaries, passable_root):
    settings = {"autovacuum": "off", "checkpoint_timeout": "1h", "fsync": "off"}
    cluster = Cluster.create(passable_root / "source", binaries, settings=settings, checksums=True)
    try:
        cluster.start()
        create_database(cluster.dsn(), DATABASE, 3)
        yield Source(cluster)
    finally:
        cluster.destroy()


@pytest.fixture(scope="module")
def reader(server):
    """The DSN of the role that the manual makes."""
    server.execute(f"REVOKE CONNECT ON DATABASE {DATABASE} FROM PUBLIC")
    return server.grants()


@pytest.fixture
def file_of(lonely):
    """Write a file of variables: a DSN with a password has no business on a command line."""

    def write(dsn, **more):
        lines = [
            f"  {name}: {value!r}" for name, value in {"source": dsn, "audit": "", "service_check": "", **more}.items()
        ]
        path = lonely.folder / "values.yaml"
        path.write_text("\n".join(["configuration:", *lines, ""]))
        path.chmod(0o600)
        return path

    return write


class LockWatcher(Onlooker):
    """Looks at what the sessions of a drill hold on the source, as often as it can."""

    def __init__(self, source):
        self._source = source
        self.locks, self.temporary = set(), 0
        super().__init__()

    def look(self):
        locks = (
            "SELECT DISTINCT l.mode, coalesce(l.relation::regclass, l.classid::regclass)::text "
            "FROM pg_locks l JOIN pg_stat_activity a USING (pid) "
            f"WHERE a.usename = '{ROLE}' AND l.locktype <> 'virtualxid'"
        )
        temporary = "SELECT count(*) FROM pg_class WHERE relpersistence = 't'"
        with psycopg.connect(self._source.dsn, autocommit=True, application_name="onlooker") as connection:
            while not self.over.is_set():
                self.locks |= set(connection.execute(locks).fetchall())
                self.temporary += connection.execute(temporary).fetchone()[0]
                time.sleep(0.005)


def settled(source):
    """Wait until the server writes nothing of its own any more."""
    source.execute("VACUUM FREEZE", "CHECKPOINT")
    deadline, since, before = time.monotonic() + 180, time.monotonic(), source.position()
    while time.monotonic() - since < SETTLED_S:
        assert time.monotonic() < deadline, "the server does not come to rest"
        time.sleep(0.5)
        if (now := source.position()) != before:
            since, before = time.monotonic(), now
    return before[1]


def drill(person, values):
    done = person.types("run", "postgres-restore", "--var-file", values, "--json")
    assert "Traceback" not in done.stderr
    return done


def test_the_grants_of_the_manual_are_enough_and_the_wal_stands_still(server, reader, lonely, file_of):
    before, transaction = settled(server), "SELECT pg_snapshot_xmax(pg_current_snapshot())::text"
    first = server.ask(transaction)
    with LockWatcher(server) as seen:
        done = drill(lonely, file_of(reader))
    after = server.position()[1]
    assert done.returncode == 0, done.stderr
    assert server.records(before, after) <= HOUSEKEEPING
    assert server.ask(transaction) == first, "no transaction of ours took a number"
    stronger = {where for mode, where in seen.locks if mode != "AccessShareLock"}
    assert seen.locks
    assert stronger <= LARGE_OBJECTS | CONNECTING
    assert seen.temporary == 0


def test_pages_that_nobody_has_read_since_they_changed_are_tidied_as_by_every_reader(server, reader, lonely, file_of):
    """Hint bits and pruning: the server does both for every SELECT, also in a transaction that is read-only."""
    server.execute(
        "CREATE TABLE IF NOT EXISTS changed AS SELECT n, repeat('x', 60) AS text FROM generate_series(1, 20000) n",
        "UPDATE changed SET text = 'y'",
        "CHECKPOINT",
    )
    before, transaction = server.position()[1], "SELECT pg_snapshot_xmax(pg_current_snapshot())::text"
    first = server.ask(transaction)
    done = drill(lonely, file_of(reader))
    assert done.returncode == 0, done.stderr
    written = server.records(before, server.position()[1]) - HOUSEKEEPING
    assert written
    assert written <= OF_READERS
    assert server.ask(transaction) == first


@pytest.mark.parametrize(
    "statement", ["CREATE TABLE mine (n int)", "DELETE FROM clinic.patient", "CREATE TEMP TABLE t ()"]
)
def test_the_role_can_change_nothing(server, reader, statement):
    with psycopg.connect(reader, autocommit=True) as connection, pytest.raises(psycopg.Error):
        connection.execute(statement)
    with psycopg.connect(reader, autocommit=True) as connection:
        connection.execute("SET default_transaction_read_only = off")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement.replace("TEMP TABLE t", "TABLE public.t"))
