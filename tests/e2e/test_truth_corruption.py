"""A stopwatch outside of the process: when bytes were flipped, by the kernel, and when the recovered database served.

The kernel notes when a file was written to; the smoke query has the recovered database note its own clock.
"""

import json
import re
import sys
import threading
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "support"))
from stopwatch import PAUSE_S, agree


class Kernel:
    """Notes when each file of the backups was last written to, as the kernel has it."""

    def __init__(self, base):
        self.written_at = {}
        self._base, self._over = base, threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()

    def _look(self):
        while not self._over.wait(0.05):
            for path in self._base.glob("*/backups/base-*/base/*/*"):
                try:
                    self.written_at[str(path)] = path.stat().st_mtime
                except FileNotFoundError:
                    continue


@pytest.fixture
def base(passable_root):
    """Where the drill's scratch folder goes, and a folder into which its server writes, whichever user runs it."""
    folder = passable_root / "flipped"
    folder.mkdir(exist_ok=True)
    folder.chmod(0o777)
    return folder


def measure(person, base, number):
    """Return ours and the stopwatch's figure of one drill."""
    clock = base / f"clock-{number}"
    values = {
        "what": "backup",
        "backups": 2,
        "scratch_dir": str(base),
        "smoke_sql": f"COPY (SELECT pg_sleep({2 * PAUSE_S}), extract(epoch FROM clock_timestamp())) TO '{clock}'",
    }
    file = person.folder / "values.yaml"
    file.write_text(json.dumps({"configuration": values}))
    with Kernel(base) as kernel:
        done = person.types("run", "postgres-corruption", "--var-file", file, "--json")
    report = json.loads(done.stdout)
    [fault] = [one for one in report["faults"] if one["name"] == "postgres.corruption.corrupt"]
    hit = re.search(r"backups/base-\d+/base/\d+/\d+", fault["target"])[0]
    [flipped_at] = [at for path, at in kernel.written_at.items() if path.endswith(hit)]
    marks = report["marks"]
    ours = {"rto": marks["verified_s"] - marks["disaster_s"]}
    return ours, {"rto": float(clock.read_text().split("\t")[1]) - flipped_at}


def test_from_the_flipped_bytes_to_the_verified_database(person, base):
    _, stopwatch = agree(lambda number: measure(person, base, number))
    assert stopwatch["rto"] > 2 * PAUSE_S
