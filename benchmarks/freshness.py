"""How long the nightly look takes over 10,000 files of backups, the start of the command and its report included.

python benchmarks/freshness.py [--files 10000] [--runs 5]
"""

import argparse
import hashlib
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from _harness import alone, command, table

from chaoslab.backup.sets import BackupSet, DatabaseEntry, ServerEntry, StoredFile
from chaoslab.backup.stamp import stamp_of

GOAL_S = 2.0
DATABASES = 22
DUMP = b"-- PostgreSQL database dump\n" + b"x" * 3000 + b"\n-- PostgreSQL database dump complete\n"
DIGEST = hashlib.sha256(DUMP).hexdigest()
CHAOSLAB = Path(sys.executable).parent / "chaoslab"


def main() -> None:
    """Measure a folder of dumps, a store of sets, and a folder of WAL; print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        root = Path(home)
        os.environ["XDG_STATE_HOME"] = str(root / "state")
        dumps, sets = write_dumps(root / "dumps", options.files), write_sets(root / "sets", options.files)
        rows = [
            alone(f"{options.files} dumps by a script", timed(root, [f"dumps={dumps}"], options.runs), goal=GOAL_S),
            alone(f"{options.files} files in sets", timed(root, [f"stores={sets}"], options.runs), goal=GOAL_S),
        ]
    sys.stdout.write(table(rows) + "\n")


def timed(root: Path, variables: Sequence[str], runs: int) -> list[float]:
    """Run the drill so often, and return how long each run took."""
    drill = root / "nightly.yaml"
    catalog = Path(__file__).parents[1] / "drills/backup-freshness/drill.yaml"
    drill.write_text(catalog.read_text().replace("{rpo: 15m}", "{rpo: 26h}"))
    words = [word for variable in (*variables, "keep_local=") for word in ("--var", variable)]
    once = command([CHAOSLAB, "run", drill, "--reports", root / "reports", *words])
    once()
    return [once() for _ in range(runs)]


def nights(files: int, per_night: int) -> list[datetime]:
    """Return the nights that so many files make, the newest an hour ago."""
    newest = datetime.now(UTC) - timedelta(hours=1)
    return [newest - timedelta(days=age) for age in range(files // per_night)]


def write_dumps(folder: Path, files: int) -> Path:
    """Write a dump of each database and night."""
    folder.mkdir()
    for at in nights(files, DATABASES):
        for number in range(DATABASES):
            (folder / f"database_{number}-{at:%Y%m%dT%H%M%SZ}.sql").write_bytes(DUMP)
    return folder


def write_sets(folder: Path, files: int) -> Path:
    """Write a set of each night: dumps, roles and set.json."""
    for at in nights(files, DATABASES + 2):
        run = folder / stamp_of(at)
        run.mkdir(parents=True)
        entries = []
        for number in range(DATABASES):
            file = StoredFile(f"database_{number}-{at:%Y%m%dT%H%M%S}000Z.dump", len(DUMP), DIGEST)
            (run / file.path).write_bytes(DUMP)
            entry = DatabaseEntry("db-1:5432", f"database_{number}", "ok", dump=file.path, files=(file,))
            entries.append(replace(entry, taken_at=at.isoformat(), bytes=len(DUMP)))
        roles = StoredFile("db-1_5432.globals.sql", len(DUMP), DIGEST)
        (run / roles.path).write_bytes(DUMP)
        servers = (ServerEntry("db-1:5432", "ok", files=(roles,)),)
        said = BackupSet(run.name, at.isoformat(), at.isoformat(), "host", "0", servers, tuple(entries))
        (run / "set.json").write_text(said.to_json())
    return folder


if __name__ == "__main__":
    main()
