"""Runs that are cut off: no name without `.partial` ever lies, and the next run clears what was left."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import psycopg
import pytest
from backup_runs import backup, finished, start, whole_sets

from chaoslab.lab.parts import becomes

pytestmark = pytest.mark.postgres
PATIENCE_S = 60
TELLING = {
    "it has just begun": "*.partial",
    "roles are there": "*.partial/*.globals.sql",
    "a dump is half written": "*.partial/*.dump.partial",
    "a dump is whole": "*.partial/*.dump",
    "a manifest is there": "*.partial/*.manifest.json",
    "it is over": "*/set.json",
}


@pytest.fixture(autouse=True)
def source(server, monkeypatch):
    monkeypatch.setenv("CHAOSLAB_BACKUP_SOURCE", server.dsn())
    return server


@pytest.mark.parametrize("pattern", TELLING.values(), ids=TELLING.keys())
def test_killed_at_an_instant(pattern, tmp_path, capsys):
    process = start("--to", tmp_path, "--databases", "shop_*")
    assert becomes(lambda: process.poll() is not None or any(tmp_path.glob(pattern)), PATIENCE_S)
    process.kill()
    finished(process)
    before = whole_sets(tmp_path)
    code, said = backup(capsys, "--to", tmp_path, "--databases", "billing")
    assert (code, said["failures"]) == (0, [])
    assert whole_sets(tmp_path) == sorted([*before, said["set"]["stamp"]])
    assert list(tmp_path.glob("*.partial")) == []


def test_a_dump_that_outlived_its_run_is_ended_by_the_next(tmp_path, capsys, source):
    with psycopg.connect(source.dsn("billing")) as blocker:
        (name,) = blocker.execute("SELECT relid::regclass FROM pg_stat_user_tables ORDER BY 1 LIMIT 1").fetchone()
        blocker.execute(f"LOCK TABLE {name} IN ACCESS EXCLUSIVE MODE")
        process = start("--to", tmp_path, "--databases", "billing")
        assert becomes(lambda: dumps_into(tmp_path), PATIENCE_S)
        process.kill()
        process.communicate()
        left = dumps_into(tmp_path)
        assert backup(capsys, "--to", tmp_path, "--databases", "shop_users")[0] == 0
        assert not set(left) & set(dumps_into(tmp_path))
    assert list(tmp_path.glob("*.partial")) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_stopped_by_a_signal(number, tmp_path, source):
    with psycopg.connect(source.dsn("billing")) as blocker:
        (name,) = blocker.execute("SELECT relid::regclass FROM pg_stat_user_tables ORDER BY 1 LIMIT 1").fetchone()
        blocker.execute(f"LOCK TABLE {name} IN ACCESS EXCLUSIVE MODE")
        process = start("--to", tmp_path, "--databases", "billing")
        assert becomes(lambda: dumps_into(tmp_path), PATIENCE_S)
        process.send_signal(number)
        code, said = finished(process)
    assert code == 128 + number
    assert signal.Signals(number).name in said
    assert [path.name for path in tmp_path.iterdir()] == [".chaoslab-backup.lock"]
    assert dumps_into(tmp_path) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_a_full_disk(tmp_path, capsys):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1500k,mode=700", "tmpfs", disk]
    if subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("no disk can be mounted here")
    try:
        code, said = backup(capsys, "--to", disk, "--databases", "billing")
        assert code == 0
        first = said["set"]["stamp"]
        filler = disk / "filler"
        filler.write_bytes(b"x" * (shutil.disk_usage(disk).free - (200 << 10)))
        code, said = backup(capsys, "--to", disk, "--keep-local", "0d")
        assert code == 10
        assert "disk" in str(said["failures"])
        assert "full" in str(said["failures"])
        assert whole_sets(disk) == [first]
        assert list(disk.glob("*.partial")) == []
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def dumps_into(folder):
    """Return the processes of pg_dump that write below a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if words[0].endswith(b"pg_dump") and any(os.fsencode(folder) in word for word in words):
            found.append(path.parent.name)
    return found
