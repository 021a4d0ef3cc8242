"""Full verification of a database against a bare COPY of all its tables to /dev/null, with as many connections.

Verification is what `verify` does to the restored side: every definition, every sequence, large objects, a count and a
digest of every table. Both sides read the same server in the same run. The digests alone are shown too, made by the
hash of each column and by the text of the row.
"""

import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from _harness import Row, paired, seconds, table

from chaoslab.lab.databases import create_database
from chaoslab.postgres.connect import connect
from chaoslab.postgres.facts import collect_facts, content
from chaoslab.postgres.programs.binaries import find_binaries
from chaoslab.postgres.servers.cluster import Cluster
from chaoslab.postgres.servers.scratch import PROFILES

SIZE_MB, RUNS, JOBS = 250, 5, 2


def copy_all(dsn: str, names: list[str]) -> None:
    """Write every table to /dev/null, the largest first, with as many connections as the other side has."""

    def copy(name: str) -> None:
        with connect(dsn) as connection:
            connection.execute("SET max_parallel_workers_per_gather = 0")
            connection.execute(f"COPY (SELECT * FROM ONLY {name}) TO '/dev/null'")

    with ThreadPoolExecutor(JOBS) as pool:
        list(pool.map(copy, names))


def measure() -> list[Row]:
    """Return the rows of the table."""
    base = Path(tempfile.mkdtemp(prefix="chaoslab-bench-"))
    base.chmod(0o711)
    cluster = Cluster.create(base / "server", find_binaries(14), settings=PROFILES["verify"])
    try:
        cluster.start()
        create_database(cluster.dsn(), "filled", SIZE_MB)
        dsn = cluster.dsn("filled")
        with connect(dsn, read_only=False) as connection:
            connection.execute("VACUUM ANALYZE")
            names = [one.name for one in content.relations(connection)]
        text = {"row_hash": "text"}

        def bare() -> float:
            return seconds(lambda: copy_all(dsn, names))

        return [
            paired(
                f"full verification of {SIZE_MB} MB, {JOBS} connections / COPY of all tables to /dev/null",
                lambda: seconds(lambda: collect_facts(dsn, jobs=JOBS)),
                bare,
                runs=RUNS,
                goal=1.5,
            ),
            paired(
                "the same with the digests of older manifests (rows as text) / COPY",
                lambda: seconds(lambda: collect_facts(dsn, jobs=JOBS, like=text)),
                bare,
                runs=RUNS,
                goal=1.5,
            ),
            paired(
                "verification=rta (structure and counts) / COPY",
                lambda: seconds(lambda: collect_facts(dsn, level="counts", jobs=JOBS)),
                bare,
                runs=RUNS,
                goal=1.5,
            ),
        ]
    finally:
        cluster.destroy()
        shutil.rmtree(base, ignore_errors=True)


if __name__ == "__main__":
    print(table(measure()))
