"""While a drill runs and however it ends: no secret in sight, no door open to others, nothing left behind."""

import json
import os
import random
import signal
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from waiting import until

sys.path.insert(0, str(Path(__file__).parent / "support"))
from onlooker import Onlooker

from chaoslab.lab.databases import create_database
from chaoslab.postgres.servers.cluster import Cluster

LOOPBACK = {"0100007F", "00000000000000000000000001000000"}
LISTENING = "0A"
SECRET = "s3cr3t-0f-the-Source"
SEEDS = range(10)


@pytest.fixture(scope="module")
def source(binaries, passable_root):
    """A small server whose superuser has a password that is found wherever it is shown."""
    cluster = Cluster.create(passable_root / "safety", binaries, settings={"fsync": "off"})
    try:
        cluster.start()
        create_database(cluster.dsn(), "shop", 0.5)
        with psycopg.connect(cluster.dsn(), autocommit=True) as admin:
            admin.execute(f"CREATE ROLE teller LOGIN SUPERUSER PASSWORD '{SECRET}'")
        yield cluster.dsn("shop", user="teller", password=SECRET)
    finally:
        cluster.destroy()


@pytest.fixture
def words(lonely, source, scratch_base):
    """What a person types to drill this source."""
    values = {
        "source": source,
        "scratch_dir": str(scratch_base),
        "audit": "",
        "service_check": "",
        "heartbeat_acks": "",
    }
    file = lonely.folder / "values.yaml"
    file.write_text(json.dumps({"configuration": values}))
    file.chmod(0o600)
    return ["run", "postgres-restore", "--var-file", file, "--json"]


class Bystander(Onlooker):
    """Looks, as every user of the machine can, at command lines and at who listens where."""

    def __init__(self, scratch_base):
        self._place = str(scratch_base)
        self.command_lines, self.addresses, self.servers = set(), set(), set()
        super().__init__()

    def look(self):
        while not self.over.wait(0.01):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
                except OSError:
                    continue  # it has ended
                self.command_lines.add(line)
                if self._place in line and line.split(" ")[0].endswith("/postgres"):
                    self.servers.add(line)
                    self.addresses |= listening(path.parent)


def listening(process):
    """Return the addresses on which a process listens, as the kernel writes them."""
    try:
        held = {os.readlink(link) for link in (process / "fd").iterdir()}
        tables = [(process / "net" / name).read_text().splitlines()[1:] for name in ("tcp", "tcp6")]
    except OSError:
        return set()
    rows = [row.split() for table in tables for row in table]
    return {row[1].partition(":")[0] for row in rows if row[3] == LISTENING and f"socket:[{row[9]}]" in held}


def test_no_secret_is_seen_and_nobody_else_gets_in(lonely, words, scratch_base):
    with Bystander(scratch_base) as seen:
        done = lonely.types(*words)
    assert done.returncode == 0, done.stderr
    assert any("pg_dump" in line for line in seen.command_lines)
    assert any("pg_restore" in line for line in seen.command_lines)
    assert not [line for line in seen.command_lines if SECRET in line]
    assert seen.servers
    assert seen.addresses
    assert seen.addresses <= LOOPBACK
    written = [path for path in lonely.folder.rglob("*") if path.is_file() and path.name != "values.yaml"]
    assert written
    assert not [path for path in written if SECRET in path.read_text(errors="replace")]
    assert SECRET not in done.stdout + done.stderr


def at_work_in(scratch_base):
    """Return the processes that name a folder in their command line."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if str(scratch_base).encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


@contextmanager
def begun(person, words, *, when="fault-intended"):
    """A drill under way: its scratch folder has been asked for, or is there."""
    run = person.begins(*words)
    try:
        until(lambda: f'"{when}"' in events(person) or run.poll() is not None, "the drill begins")
        assert run.poll() is None, run.communicate()
        yield run
    finally:
        run.kill()
        run.communicate()


def events(person):
    return "".join(path.read_text() for path in person.folder.glob("reports/*/events.jsonl"))


@pytest.mark.parametrize("seed", SEEDS)
def test_killed_at_any_instant_it_leaves_nothing(lonely, words, scratch_base, seed):
    with begun(lonely, words) as run:
        time.sleep(random.Random(seed).uniform(0.0, 2.5))
        run.kill()
        run.wait()
        until(lambda: not any(scratch_base.iterdir()), "the scratch folder is removed")
        until(lambda: not at_work_in(scratch_base), "what worked in it is ended")
    until(lambda: lonely.types("undo").stdout == "nothing to undo\n", "the reaper is done")


def children(pid):
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_reaper(pid):
    return b"chaoslab.runtime.reaper" in Path(f"/proc/{pid}/cmdline").read_bytes()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_killed_with_its_reaper_it_is_undone_by_hand(lonely, words, scratch_base, seed):
    with begun(lonely, words, when="fault-injected") as run:
        time.sleep(random.Random(seed).uniform(0.0, 1.0))
        run.send_signal(signal.SIGSTOP)
        [reaper] = [pid for pid in children(run.pid) if is_reaper(pid)]
        os.kill(reaper, signal.SIGKILL)
        run.kill()
        run.wait()
        assert any(scratch_base.iterdir())
        done = lonely.types("undo")
    assert done.returncode == 0, done.stdout + done.stderr
    assert not any(scratch_base.iterdir())
    assert not at_work_in(scratch_base)
