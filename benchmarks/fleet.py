"""The drill over 22 databases, skewed in size as in life, against the same work by hand, all in turn in one run.

    scripts/bench fleet              # about 1 GB
    BENCH_FLEET_GB=20 scripts/bench fleet

In turn: `pg_dump | gzip`, then `gunzip | psql`, one database after the other, into a server as initdb makes it.
By hand, parallel: `pg_dump -Fd -j` and `pg_restore -j`, two databases at once, the largest first, into a server with
the drill's own settings. The drill's figure is that of its steps `dump` and `recover`, its scratch server included;
theirs include initdb and the start too.
"""

import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from _harness import Row, seconds, table

from chaoslab.lab.databases import NAMES, create_database
from chaoslab.postgres.connect import connect
from chaoslab.postgres.facts import collect_facts
from chaoslab.postgres.programs.binaries import Binaries, find_binaries
from chaoslab.postgres.servers.cluster import Cluster
from chaoslab.postgres.servers.scratch import PROFILES

CHAOSLAB = Path(sys.executable).parent / "chaoslab"
GIGABYTES = float(os.environ.get("BENCH_FLEET_GB", "1"))
RUNS = int(os.environ.get("BENCH_FLEET_RUNS", "3"))
SKEW = 0.8
"""Each database has four fifths of the size of the next larger one."""
AT_ONCE, JOBS = 2, 2


def sizes_mb() -> dict[str, float]:
    """Return how large each database is to be."""
    weights = [SKEW**rank for rank in range(len(NAMES))]
    return {
        name: max(1.0, GIGABYTES * 1000 * weight / sum(weights)) for name, weight in zip(NAMES, weights, strict=True)
    }


@contextmanager
def source(folder: Path, binaries: Binaries) -> Iterator[Cluster]:
    """Run a server with the fleet in it."""
    cluster = Cluster.create(folder, binaries, settings={**PROFILES["verify"], "shared_buffers": "512MB"})
    cluster.start()
    try:
        for name, size_mb in sizes_mb().items():
            create_database(cluster.dsn(), name, size_mb)
        yield cluster
    finally:
        cluster.destroy()


def by_drill_s(folder: Path, dsn: str, *variables: str) -> float:
    """Run the drill without verification; return the seconds from its first dump to its last restore."""
    command: list[str | Path] = [CHAOSLAB, "run", "postgres-fleet", "--reports", folder, "--json"]
    for one in (f"source={dsn}", "heartbeat_acks=", "verification=none", f"scratch_dir={folder}", *variables):
        command += ["--var", one]
    ended = subprocess.run(command, check=False, capture_output=True, text=True)
    steps = {step["name"]: step["duration_s"] for step in json.loads(ended.stdout)["steps"]}
    return float(steps["dump"] + steps["recover"])


def in_turn_s(folder: Path, dsn: Callable[[str], str], binaries: Binaries) -> float:
    """Do it as a script does: one database after the other, compressed by gzip, restored by psql."""

    def work(cluster: Cluster) -> None:
        for name in NAMES:
            _shell(f"'{binaries.program('pg_dump')}' --create '{dsn(name)}' | gzip > '{folder}/{name}.sql.gz'")
        _roles(folder, dsn, binaries, cluster)
        for name in NAMES:
            to = cluster.dsn("postgres")
            _shell(f"gunzip < '{folder}/{name}.sql.gz' | '{binaries.program('psql')}' --quiet --no-psqlrc '{to}'")

    return _with_server(folder, binaries, {}, work)


def by_hand_s(folder: Path, dsn: Callable[[str], str], binaries: Binaries) -> float:
    """Do it as somebody does who knows how."""

    def dump(name: str) -> None:
        options = ["--format=directory", f"--jobs={JOBS}", "--compress=0", f"--file={folder}/{name}.dir"]
        _call(binaries, "pg_dump", *options, f"--dbname={dsn(name)}")

    def work(cluster: Cluster) -> None:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(dump, NAMES))
        _roles(folder, dsn, binaries, cluster)

        def restore(name: str) -> None:
            _call(
                binaries,
                "pg_restore",
                "--create",
                f"--jobs={JOBS}",
                f"--dbname={cluster.dsn()}",
                f"{folder}/{name}.dir",
            )

        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(restore, NAMES))

    return _with_server(folder, binaries, PROFILES["verify"], work)


def scan_ratio(cluster: Cluster) -> tuple[float, float]:
    """Return seconds: the facts of all databases, one after the other, and COPY of all their tables to nowhere."""
    facts = seconds(lambda: [collect_facts(cluster.dsn(name), jobs=1) for name in NAMES])
    return facts, seconds(lambda: [_copy_all(cluster, name) for name in NAMES])


def _copy_all(cluster: Cluster, name: str) -> int:
    query = """SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
        WHERE relkind IN ('r', 'm') AND nspname !~ '^pg_' AND nspname <> 'information_schema'"""
    count = 0
    with connect(cluster.dsn(name)) as connection, connection.cursor() as cursor:
        for (one,) in cursor.execute(query).fetchall():
            with cursor.copy(f"COPY (SELECT * FROM {one}) TO STDOUT") as copy:
                count += sum(len(piece) for piece in copy)
    return count


def _roles(folder: Path, dsn: Callable[[str], str], binaries: Binaries, cluster: Cluster) -> None:
    _call(binaries, "pg_dumpall", "--globals-only", f"--file={folder}/roles.sql", f"--dbname={dsn('postgres')}")
    _call(binaries, "psql", "--quiet", "--no-psqlrc", f"--file={folder}/roles.sql", f"--dbname={cluster.dsn()}")


def _with_server(
    folder: Path, binaries: Binaries, settings: dict[str, str | int], work: Callable[[Cluster], None]
) -> float:
    folder.mkdir(mode=0o711)
    made: list[Cluster] = []

    def whole() -> None:
        made.append(Cluster.create(folder / "server", binaries, superuser="by_hand", settings=settings))
        made[0].start()
        work(made[0])

    took_s = seconds(whole)
    made[0].stop("immediate")
    shutil.rmtree(folder)
    return took_s


def _call(binaries: Binaries, name: str, *arguments: str | Path) -> None:
    subprocess.run([binaries.program(name), *arguments], check=True, capture_output=True)


def _shell(line: str) -> None:
    subprocess.run(["bash", "-o", "pipefail", "-c", line], check=True, capture_output=True)


def measure() -> list[Row]:
    """Return the rows of the table."""
    binaries = find_binaries()
    base = Path(tempfile.mkdtemp(prefix="chaoslab-bench-"))
    base.chmod(0o711)
    try:
        with source(base / "source", binaries) as cluster:
            rounds = [_round(base, cluster, binaries) for _ in range(RUNS)]
    finally:
        shutil.rmtree(base)
    staged, overlapped, turn, hand, facts, copies = (statistics.median(side) for side in zip(*rounds, strict=True))

    def row(what: str, ours: int, other: int, goal: float | None) -> Row:
        sides = [statistics.median(one[side] for one in rounds) for side in (ours, other)]
        ratio = statistics.median(one[ours] / one[other] for one in rounds)
        return Row(what, f"{sides[0]:.2f} s", f"{sides[1]:.2f} s", ratio, "x", goal)

    size = f"{GIGABYTES:g} GB in {len(NAMES)} databases"
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    assert min(staged, overlapped, turn, hand, facts, copies) > 0
    return [
        row(f"{size}, dump and restore: drill / in turn", 0, 2, 0.5),
        row("the same with `overlap=yes` / in turn", 1, 2, 0.5),
        row("drill / tuned by hand, parallel", 0, 3, 1.15),
        row("the same with `overlap=yes` / tuned by hand, parallel", 1, 3, 1.15),
        row("full digests of all / COPY of all tables to nowhere", 4, 5, 1.5),
        Row("largest process of them all, the server's excluded", f"{peak:.0f} MiB", "", peak, "MiB", None),
    ]


def _round(base: Path, cluster: Cluster, binaries: Binaries) -> tuple[float, ...]:
    def drill(*variables: str) -> float:
        folder = base / "reports"
        folder.mkdir(mode=0o711, exist_ok=True)
        return by_drill_s(folder, cluster.dsn(), *variables)

    staged = drill()
    turn = in_turn_s(base / "turn", cluster.dsn, binaries)
    overlapped = drill("overlap=yes")
    hand = by_hand_s(base / "hand", cluster.dsn, binaries)
    return staged, overlapped, turn, hand, *scan_ratio(cluster)


if __name__ == "__main__":
    print(table(measure()))
