"""The restore drill against the same tools by hand, on the same database in the same run, and what verification adds.

By hand: pg_dump and pg_dumpall --globals-only, a copy of the dump, initdb and a server with the drill's settings, psql
for the globals, pg_restore with as many jobs. The drill takes the facts that it will compare while pg_dump runs; what
they take alone is measured too.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from _harness import Row, seconds, table

from chaoslab.postgres.facts import collect_facts
from chaoslab.postgres.logical.backup import Wish
from chaoslab.postgres.programs.binaries import Binaries, find_binaries
from chaoslab.postgres.servers.cluster import Cluster
from chaoslab.postgres.servers.scratch import PROFILES

CHAOSLAB = Path(sys.executable).parent / "chaoslab"
SIZE, RUNS, JOBS = "100MiB", 5, 2
COMPRESSION = Wish().compression
"""Both sides dump with the drill's own level: pg_dump's default would make the comparison flatter."""
RESTORING = ("dump", "fetch", "provision", "restore")
VERIFYING = ("compare", "use", "recovery_point")


@contextmanager
def lab(home: Path) -> Iterator[str]:
    """Run a lab of one database and yield its DSN."""
    os.environ["CHAOSLAB_LAB_HOME"] = str(home)
    command: list[str | Path] = [CHAOSLAB, "lab", "start", "--databases", "1", "--size", SIZE, "--json"]
    started = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        yield json.loads(started.stdout)["postgres"][0]["dsn"]
    finally:
        subprocess.run([CHAOSLAB, "lab", "stop"], check=True, capture_output=True)


def by_drill_s(folder: Path) -> tuple[float, float]:
    """Run the drill; return the seconds of its restoring and of its verifying steps."""
    command: list[str | Path] = [
        CHAOSLAB,
        "run",
        "postgres-restore",
        "--var",
        f"jobs={JOBS}",
        "--reports",
        folder,
        "--json",
    ]
    ended = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    took_s = {step["name"]: step["duration_s"] for step in json.loads(ended.stdout)["steps"]}
    return sum(took_s[name] for name in RESTORING), sum(took_s[name] for name in VERIFYING)


def by_hand_s(folder: Path, dsn: str, binaries: Binaries) -> float:
    """Do the same by hand; return the seconds."""
    folder.mkdir(mode=0o711)
    cluster: list[Cluster] = []
    took_s = seconds(lambda: cluster.append(_restore_by_hand(folder, dsn, binaries)))
    cluster[0].stop("immediate")
    shutil.rmtree(folder)
    return took_s


def _restore_by_hand(folder: Path, dsn: str, binaries: Binaries) -> Cluster:
    dump, copy, roles = folder / "x.dump", folder / "copy.dump", folder / "roles.sql"
    _call(binaries, "pg_dump", "--format=custom", f"--compress={COMPRESSION}", f"--file={dump}", f"--dbname={dsn}")
    _call(binaries, "pg_dumpall", "--globals-only", "--no-role-passwords", f"--file={roles}", f"--dbname={dsn}")
    shutil.copyfile(dump, copy)
    cluster = Cluster.create(folder / "server", binaries, superuser="by_hand", settings=PROFILES["verify"])
    cluster.start()
    to = cluster.dsn("postgres")
    _call(binaries, "psql", "--quiet", "--no-psqlrc", f"--file={roles}", f"--dbname={to}")
    _call(binaries, "pg_restore", "--create", f"--jobs={JOBS}", f"--dbname={to}", copy)
    return cluster


def _call(binaries: Binaries, name: str, *arguments: str | Path) -> None:
    subprocess.run([binaries.program(name), *arguments], check=True, capture_output=True)


def measure() -> list[Row]:
    """Return the rows of the table."""
    binaries = find_binaries()
    base = Path(tempfile.mkdtemp(prefix="chaoslab-bench-"))
    base.chmod(0o711)
    try:
        with lab(base / "lab") as dsn:
            by_hand_s(base / "hand", dsn, binaries)
            by_drill_s(base / "reports")
            rounds = [_round(base, dsn, binaries) for _ in range(RUNS)]
    finally:
        shutil.rmtree(base)
    restoring, verifying, facts, by_hand = (statistics.median(side) for side in zip(*rounds, strict=True))
    with_facts = statistics.median(drill / hand for drill, _, _, hand in rounds)
    without = statistics.median((drill - taken) / hand for drill, _, taken, hand in rounds)
    share = statistics.median((more + taken) / (drill + more) for drill, more, taken, _ in rounds)
    hand = f"{by_hand:.2f} s"
    return [
        Row(f"dump and restore of {SIZE}, with the facts / by hand", f"{restoring:.2f} s", hand, with_facts, "x", None),
        Row("the same less the facts, which are verification", f"{restoring - facts:.2f} s", hand, without, "x", 1.15),
        Row("verification's share of the drill", f"{verifying + facts:.2f} s", "", share, "of all", None),
    ]


def _round(base: Path, dsn: str, binaries: Binaries) -> tuple[float, float, float, float]:
    """Return seconds: the drill's restoring steps, its verifying steps, the facts alone, the same by hand."""
    restoring, verifying = by_drill_s(base / "reports")
    facts = seconds(lambda: collect_facts(dsn, jobs=JOBS))
    return restoring, verifying, facts, by_hand_s(base / "hand", dsn, binaries)


if __name__ == "__main__":
    print(table(measure()))
