"""Bad days of the restore drill: one clear error, the documented exit code, no residue, the source as it was."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
from postgres_drill import Started, run_drill

from chaoslab.postgres.connect import connect
from chaoslab.postgres.facts import collect_facts
from chaoslab.postgres.servers.ports import free_port
from chaoslab.runtime.identity import state_of

pytestmark = pytest.mark.postgres
SECRET = "s3cr3t-Passw0rd-Canary"


@pytest.fixture
def source(lab):
    return lab["postgres"][0]["dsn"]


@pytest.fixture
def drill(lab, state, tmp_path):
    def go(*variables, **options):
        (tmp_path / "scratch").mkdir(exist_ok=True)
        (tmp_path / "scratch").chmod(0o711)
        return run_drill(tmp_path / "reports", *variables, **options)

    return go


def text_of(folder):
    """Everything that a run wrote."""
    return "".join(path.read_text(errors="replace") for path in folder.rglob("*") if path.is_file())


def errors(report):
    return " ".join(one["error"] for one in report.data["steps"] if one["error"])


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda dsn: "postgresql//" + dsn, "not a PostgreSQL connection string"),
        (lambda dsn: f"postgresql://postgres:{SECRET}@127.0.0.1:{free_port()}/x", "Connection refused"),
        (lambda dsn: psycopg.conninfo.make_conninfo(dsn, password=SECRET), "password authentication failed"),
        (lambda dsn: psycopg.conninfo.make_conninfo(dsn, dbname="nothing"), 'database "nothing" does not exist'),
    ],
    ids=["no-dsn", "refused", "wrong-password", "no-database"],
)
def test_a_source_that_cannot_be_reached(change, told, drill, source, tmp_path, scratch_base):
    report = drill(f"source={change(source)}", f"scratch_dir={scratch_base}")
    assert report.outcome == "inconclusive"
    assert report.exit_code == 11
    assert told in errors(report)
    password = psycopg.conninfo.conninfo_to_dict(source)["password"]
    for secret in (SECRET, password):
        assert secret not in text_of(tmp_path / "reports") + report.stdout + report.stderr


def test_no_programs(drill, tmp_path, scratch_base):
    report = drill(f"bin_dir={tmp_path}", f"scratch_dir={scratch_base}")
    assert report.exit_code in {11, 12}
    assert "PostgreSQL" in errors(report) + json.dumps(report.data)
    assert "apt-get install" in errors(report) + json.dumps(report.data)


def test_a_backup_that_is_not_there(drill, scratch_base):
    report = drill("backup=/nowhere/shop.dump", f"scratch_dir={scratch_base}")
    assert report.outcome == "inconclusive"
    assert "there is no /nowhere/shop.dump" in errors(report)


def test_roles_without_a_dump(drill, scratch_base):
    report = drill("globals=/nowhere/roles.sql", f"scratch_dir={scratch_base}")
    assert report.outcome == "inconclusive"
    assert "name the dump too" in errors(report)


def test_a_store_of_many_dumps_where_one_is_meant(drill, scratch_base, tmp_path):
    (tmp_path / "store" / "20260131T020000Z").mkdir(parents=True)
    (tmp_path / "store" / "20260131T020000Z" / "set.json").write_text("{}")
    report = drill(f"backup={tmp_path / 'store'}", f"scratch_dir={scratch_base}")
    assert report.outcome == "inconclusive"
    assert "chaoslab run postgres-fleet" in errors(report)


def test_more_connections_than_anybody_means(drill, scratch_base):
    report = drill("jobs=-1", f"scratch_dir={scratch_base}")
    assert report.outcome == "inconclusive"
    assert "jobs: must be from 1" in errors(report)


@pytest.mark.skipif(os.geteuid() != 0, reason="a small disk is mounted by root only")
def test_the_disk_is_full_while_dumping(drill, passable_root):
    small = passable_root / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k,mode=0711", "tmpfs", small], check=True)
    try:
        report = drill(f"scratch_dir={small}", file=without_disk_guard(passable_root))
        assert report.outcome == "inconclusive"
        assert "is full" in errors(report)
        assert list(small.iterdir()) == []
    finally:
        subprocess.run(["umount", small], check=True)


def without_disk_guard(folder):
    """The drill without its guard, which would refuse a disk that small before anything is touched."""
    import yaml

    shipped = Path(__file__).parents[2] / "drills" / "postgres-restore" / "drill.yaml"
    file = yaml.safe_load(shipped.read_text())
    del file["extensions"][0]["guards"]
    target = folder / "no-guard.yaml"
    target.write_text(yaml.safe_dump(file))
    return str(target)


def scratch_of(scratch_base):
    return next(iter(scratch_base.iterdir()), None)


def server_pid(scratch_base):
    folder = scratch_of(scratch_base)
    try:
        return int((folder / "server" / "data" / "postmaster.pid").read_text().splitlines()[0])
    except (OSError, AttributeError, ValueError, IndexError):
        return None


def test_the_scratch_server_is_killed_in_the_middle_of_the_restore(lab, state, tmp_path, scratch_base):
    run = Started("postgres-restore", tmp_path / "reports", f"scratch_dir={scratch_base}")
    run.wait_for_step("restore")
    time.sleep(0.1)
    os.kill(server_pid(scratch_base), signal.SIGKILL)
    report = run.end()
    assert report.outcome == "failed", report
    assert report.codes() == {"scratch-server-died"}
    assert report.data["residue"] == []


@pytest.mark.parametrize("step", ["dump", "fetch", "provision", "restore", "compare"])
def test_the_runner_is_killed_and_leaves_nothing(step, lab, state, tmp_path, scratch_base):
    run = Started("postgres-restore", tmp_path / "reports", f"scratch_dir={scratch_base}")
    run.wait_for_step(step)
    time.sleep(0.15)
    pid = server_pid(scratch_base)
    run.kill()
    deadline = time.monotonic() + 60
    while scratch_of(scratch_base) is not None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert scratch_of(scratch_base) is None
    assert pid is None or state_of(pid) in {"", "Z"}
    undone = subprocess.run(command_of_undo(), capture_output=True, text=True, check=False)
    assert undone.returncode == 0, undone
    assert "postgres.scratch" not in undone.stdout, "the reaper had left it for us"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_and_removes_everything(number, lab, state, tmp_path, scratch_base):
    run = Started("postgres-restore", tmp_path / "reports", f"scratch_dir={scratch_base}")
    run.wait_for_step("restore")
    run.process.send_signal(number)
    assert run.end().exit_code == 128 + number
    assert scratch_of(scratch_base) is None


def test_nothing_of_the_source_is_changed(drill, source, scratch_base):
    asked = [
        "SELECT count(*) FROM pg_settings WHERE source NOT IN ('default', 'client', 'session', 'override')",
        "SELECT count(*) FROM pg_roles",
        "SELECT count(*) FROM pg_replication_slots",
        "SELECT sum(n_tup_upd + n_tup_del) FROM pg_stat_user_tables WHERE schemaname IN ('clinic', 'billing')",
    ]
    with connect(source) as connection:
        before = [connection.execute(question).fetchone() for question in asked]
        structure = collect_facts(source, level="structure")["structure"]
        report = drill(f"scratch_dir={scratch_base}")
        assert report.outcome == "passed", report
        assert [connection.execute(question).fetchone() for question in asked] == before
        assert collect_facts(source, level="structure")["structure"] == structure


def command_of_undo():
    start = "import sys; from chaoslab.cli.main import main; sys.exit(main())"
    return [sys.executable, "-c", start, "undo", "--json"]
