"""A small source to make stand-ins of, and the drill run on it as a person does."""

import sys
from pathlib import Path

import psycopg
import pytest

from chaoslab.postgres.servers.cluster import Cluster

sys.path[:0] = [str(Path(__file__).parents[1] / "sabotage" / "support")]

QUICK = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "autovacuum": "off"}
FILL = """
CREATE SCHEMA clinic;
CREATE TABLE clinic.visit (id bigint PRIMARY KEY, patient integer NOT NULL, note text NOT NULL);
CREATE INDEX visit_patient ON clinic.visit (patient);
CREATE TABLE clinic.import_line (line text);
INSERT INTO clinic.visit SELECT n, n % 97, 'visited the clinic for the reason ' || n FROM generate_series(1, 4000) n;
INSERT INTO clinic.import_line SELECT 'line ' || n FROM generate_series(1, 500) n;
"""


@pytest.fixture(scope="session")
def source(binaries, passable_root):
    """The DSN of a small database."""
    cluster = Cluster.create(passable_root / "source", binaries, settings=QUICK)
    cluster.start()
    try:
        with psycopg.connect(cluster.dsn(), autocommit=True) as connection:
            connection.execute("CREATE DATABASE clinic")
        with psycopg.connect(cluster.dsn("clinic"), autocommit=True) as connection:
            connection.execute(FILL)
        yield cluster.dsn("clinic")
    finally:
        cluster.destroy()


@pytest.fixture
def drill(source, state, tmp_path, passable_root):
    """Run the drill on the source, and see that it leaves nothing behind: `drill("what=wal") -> Report`."""
    from postgres_drill import run_drill

    def go(*variables, file="postgres-corruption"):
        scratch = passable_root / "scratch"
        scratch.mkdir(exist_ok=True, mode=0o711)
        scratch.chmod(0o711)
        given = (f"source={source}", f"scratch_dir={scratch}", "wal_segment=1MiB", *variables)
        report = run_drill(tmp_path / "reports", *given, file=file, timeout=300)
        assert report.data["residue"] == []
        assert list(scratch.iterdir()) == []
        return report

    return go
