"""A stopwatch outside of the process: who commits, when the disaster struck, and when a service was content."""

import json
import re
import shlex
import sys
import threading
import time

import psycopg

TRIES = 3
"""A machine without time delays the drill and the stopwatch, and not by the same."""
PAUSE_S = 1.0
GAP_S = 1.5
BEAT_S = 0.02
CHECK = """\
import json, os, sys, time
import psycopg
time.sleep({pause})
with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
    beats = [row[0] for row in connection.execute("SELECT id FROM chaoslab.heartbeat")]
with open({notes!r}, "w") as file:
    json.dump({{"beats": beats, "content_at": time.monotonic()}}, file)
print("content", flush=True)
os._exit(0)  # a slow farewell is no part of the service
"""


def close(ours_s, stopwatch_s):
    """Say whether two figures agree to 2 % or 50 ms."""
    return abs(ours_s - stopwatch_s) <= max(0.05, 0.02 * stopwatch_s)


def slow_programs(folder, binaries, name):
    """Return a folder of PostgreSQL's programs, one of which takes its time first."""
    folder.mkdir(mode=0o755)
    for program in binaries.bin.iterdir():
        (folder / program.name).symlink_to(program)
    slow = folder / name
    slow.unlink()
    slow.write_text(f'#!/bin/sh\nsleep {PAUSE_S}\nexec {binaries.program(name)} "$@"\n')
    slow.chmod(0o755)
    return folder


def checking(folder, notes):
    """Return the command of a service's own check: it takes its time, and notes what it found and when."""
    check = folder / "check.py"
    check.write_text(CHECK.format(pause=PAUSE_S, notes=str(notes)))
    return shlex.join([sys.executable, str(check)])


class Writer:
    """Commits beats, notes when each was acknowledged, and pauses when told to."""

    def __init__(self, dsn, log):
        self._dsn, self._log = dsn, log
        self.acknowledged = {}
        self.may_go_on = threading.Event()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._write)
        self.may_go_on.set()

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self.may_go_on.set()
        self._thread.join()

    def _write(self):
        with psycopg.connect(self._dsn, autocommit=True) as connection, self._log.open("a") as log:
            [beat] = connection.execute("SELECT coalesce(max(id), 0) FROM chaoslab.heartbeat").fetchone()
            while not self._over.is_set():
                self.may_go_on.wait()
                beat += 1
                connection.execute("INSERT INTO chaoslab.heartbeat VALUES (%s, clock_timestamp())", (beat,))
                self.acknowledged[beat] = time.monotonic()
                log.write(f"postgres {beat} {time.time():.6f} {self.acknowledged[beat]:.6f}\n")
                log.flush()
                time.sleep(BEAT_S)


def disaster_at(source, log_from):
    """Return when the source was asked for its clock, by its own log, on this machine's monotonic clock."""
    with source.log.open() as file:
        file.seek(log_from)
        found = re.findall(
            r"^(\d+\.\d+) .*statement: SELECT extract\(epoch FROM clock_timestamp\(\)\)", file.read(), re.M
        )
    assert len(found) == 1
    return float(found[0]) - (time.time() - time.monotonic())


def figures(disaster, acknowledged, seen):
    """Return what the stopwatch says: how long it took, and the bounds of what was lost.

    Args:
        disaster: when it struck, on this machine's monotonic clock
        acknowledged: when each beat was, on the same clock
        seen: the notes of the service's own check
    """
    before = {beat: at for beat, at in acknowledged.items() if at <= disaster}
    newest = max(seen["beats"])
    kept = [at for beat, at in before.items() if beat <= newest]
    lost = [at for beat, at in before.items() if beat > newest]
    return {
        "rto": seen["content_at"] - disaster,
        "lost at least": disaster - min(lost, default=disaster),
        "lost at most": disaster - max(kept),
    }


def reported(report):
    """Return the same figures as a report has them."""
    actual = {one["name"]: one["actual"] for one in report["objectives"]}
    return {"rto": actual["rto"]["high"], "lost at least": actual["rpo"]["low"], "lost at most": actual["rpo"]["high"]}


def run(person, drill, values, notes):
    """Run a drill of a person's; return its report and the notes of the service's own check."""
    file = person.folder / "values.yaml"
    file.write_text(json.dumps({"configuration": values}))
    done = person.types("run", drill, "--var-file", file, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), json.loads(notes.read_text())


def agree(measure, *names):
    """Measure until ours and the stopwatch's figures agree, a few times at most; return the last of both.

    Args:
        measure: takes the number of the try, returns both
        names: those that must agree; all without any
    """
    said = []
    for number in range(TRIES):
        ours, stopwatch = measure(number)
        assert stopwatch["rto"] > 2 * PAUSE_S
        said.append((ours, stopwatch))
        if all(close(ours[name], stopwatch[name]) for name in names or ours):
            return ours, stopwatch
    raise AssertionError(f"ours and the stopwatch's: {said}")
