"""One of many databases, dumps or servers is bad: the drill fails and names it, and the others' results stand."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from postgres_drill import dump

from chaoslab.postgres.servers.ports import free_port

pytestmark = pytest.mark.postgres


def outcomes(report):
    return {part["name"]: part["outcome"] for part in report.data["parts"]}


def parts(report):
    return {part["name"]: part for part in report.data["parts"]}


def good_but(names, bad, outcome="failed"):
    return {name: outcome if name == bad else "ok" for name in names}


@pytest.fixture(scope="module")
def dumps(source, binaries, passable_root):
    """A dump of each database, as nightly scripts make them: different forms, no manifest."""
    folder = passable_root / "dumps"
    folder.mkdir()
    users, billing, audit = source.names
    dump(binaries, source.cluster.dsn(users), folder / f"{users}.dump")
    dump(binaries, source.cluster.dsn(billing), folder / f"{billing}_2026-01-31.sql", "--create", form="plain")
    dump(binaries, source.cluster.dsn(audit), folder / f"{audit}.dir", form="directory")
    roles = [path.rename(folder / "all") for path in sorted(folder.glob("*.globals.sql"))]
    roles[-1].rename(folder / "globals.sql")
    return folder


@pytest.fixture
def copies(dumps, passable_root, tmp_path):
    folder = passable_root / f"copies-{tmp_path.name}"
    shutil.copytree(dumps, folder)
    yield folder
    shutil.rmtree(folder)


def test_all_databases_come_back_a_row_for_each(drill, source):
    report = drill(f"source={source.dsn}")
    assert report.outcome == "passed", report
    assert outcomes(report) == dict.fromkeys(source.names, "ok")
    for part in report.data["parts"]:
        figures = part["figures"]
        assert {"dump_s", "restore_s", "verify_s", "verified_s", "dump_bytes", "bytes", "rows"} <= set(figures)
    last = max(part["figures"]["verified_s"] for part in report.data["parts"])
    rto = report.objectives["rto"]["actual"]
    assert last <= rto["high"]
    assert rto["low"] <= rto["high"]
    left_out = {where for code, where in report.findings("note") if code == "database-left-out"}
    assert left_out == {"postgres", "template0", "template1"}


def test_two_servers_with_a_database_of_the_same_name(drill, source, other):
    report = drill(f"source={source.dsn}; {other.dsn}", f"databases={source.names[0]}", "overlap=yes")
    assert report.outcome == "passed", report
    name = source.names[0]
    assert outcomes(report) == {f"{source.label}/{name}": "ok", f"{other.label}/{name}": "ok"}
    assert report.data["run"]["targets"] == [f"postgres {one.label}/postgres" for one in (source, other)]


def test_a_glob_and_a_name_that_is_nowhere(drill, source):
    report = drill(f"source={source.dsn}", "databases=*_billing,nothing_*")
    assert report.outcome == "failed", report
    assert report.findings() == {("database-not-found", "nothing_*")}
    assert outcomes(report) == {"healthfinance_billing": "ok"}


def test_a_folder_of_dumps_of_many_kinds(drill, source, copies):
    report = drill(f"source={source.dsn}", f"backup={copies}")
    assert report.outcome == "passed", report
    assert outcomes(report) == dict.fromkeys(source.names, "ok")


def test_one_damaged_dump(drill, source, copies):
    bad = copies / "healthfinance_users.dump"
    bad.write_bytes(bad.read_bytes()[: bad.stat().st_size * 6 // 10])
    report = drill(f"source={source.dsn}", f"backup={copies}")
    assert report.outcome == "failed", report
    assert report.codes() == {"backup-truncated"}
    assert outcomes(report) == good_but(source.names, "healthfinance_users")
    assert parts(report)["healthfinance_users"]["findings"] == ["backup-truncated"]


def test_one_database_without_a_dump(drill, source, copies):
    (copies / "healthfinance_users.dump").unlink()
    report = drill(f"source={source.dsn}", f"backup={copies}")
    assert report.outcome == "failed", report
    assert report.findings() == {("database-without-backup", "healthfinance_users")}
    assert outcomes(report) == good_but(source.names, "healthfinance_users")


def test_a_backup_set_of_two_servers_and_one_that_it_lacks(drill, source, other, passable_root, tmp_path):
    store = passable_root / f"store-{tmp_path.name}"
    start = "import sys; from chaoslab.cli.main import main; sys.exit(main())"
    servers = tmp_path / "servers"
    servers.write_text(f"{source.dsn}\n{other.dsn}\n")
    servers.chmod(0o600)
    command = [sys.executable, "-c", start, "backup", "--source-file", servers, "--to", store]
    name, lacking = source.names[0], source.names[1]
    done = subprocess.run([*command, "--databases", name], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    report = drill(f"source={source.dsn};{other.dsn}", f"databases={name},{lacking}", f"backup={store}")
    assert report.findings() == {("database-without-backup", f"{source.label}/{lacking}")}
    both = {f"{one.label}/{name}": "ok" for one in (source, other)}
    assert outcomes(report) == {**both, f"{source.label}/{lacking}": "failed"}
    shutil.rmtree(store)


def test_one_changed_row_in_one_database(drill, source, binaries, copies):
    name = "healthfinance_users"
    copy = Path(copies) / f"{name}.dump"
    source.execute(f"CREATE DATABASE changed TEMPLATE {name}")
    try:
        source.execute("UPDATE clinic.patient SET balance = balance + 1 WHERE id = 7", "changed")
        source.execute(f"ALTER DATABASE {name} RENAME TO original")
        source.execute(f"ALTER DATABASE changed RENAME TO {name}")
        dump(binaries, source.cluster.dsn(name), copy)
        (copies / f"{name}.globals.sql").unlink()
    finally:
        source.execute(f"DROP DATABASE {name}")
        source.execute(f"ALTER DATABASE original RENAME TO {name}")
    report = drill(f"source={source.dsn}", f"backup={copies}")
    assert report.outcome == "failed", report
    assert ("content-differs", f"{name}/clinic.patient") in report.findings()
    assert {where.split("/")[0] for _, where in report.findings()} == {name}
    assert outcomes(report) == good_but(source.names, name)


@pytest.fixture
def small_ones(source):
    """Two databases with one table each, of which a reader may connect to the first only."""
    source.execute("CREATE ROLE reader LOGIN PASSWORD 'canary-Reader-1' IN ROLE pg_read_all_data")
    for name in ("fleet_a", "fleet_b"):
        source.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        source.execute("CREATE TABLE t AS SELECT generate_series(1, 9) AS n", name)
    source.execute("REVOKE CONNECT ON DATABASE fleet_b FROM PUBLIC")
    yield source.cluster.dsn("fleet_a", user="reader", password="canary-Reader-1")
    for name in ("fleet_a", "fleet_b"):
        source.execute(f"DROP DATABASE {name} WITH (FORCE)")
    source.execute("DROP ROLE reader")


def test_one_database_that_may_not_be_read(drill, small_ones):
    report = drill(f"source={small_ones}", "databases=fleet_?")
    assert report.outcome == "failed", report
    assert report.findings() == {("database-not-dumped", "fleet_b")}
    assert outcomes(report) == {"fleet_a": "ok", "fleet_b": "failed"}
    assert "canary-Reader-1" not in report.stdout + report.stderr
    assert ("no-heartbeat", "fleet") in report.findings("warning")


def test_one_server_is_down(drill, source):
    away = f"127.0.0.1:{free_port()}"
    report = drill(f"source={source.dsn};postgresql://me@{away}/x", "databases=*_users")
    assert report.outcome == "failed", report
    assert report.findings() == {("server-unreachable", away)}
    assert outcomes(report) == {away: "failed", f"{source.label}/healthfinance_users": "ok"}


def test_all_servers_are_down(drill):
    report = drill(f"source=postgresql://me@127.0.0.1:{free_port()}/x")
    assert (report.outcome, report.exit_code) == ("inconclusive", 11)


@pytest.mark.skipif(os.geteuid() != 0, reason="a small disk is mounted by root only")
def test_a_disk_too_small_for_the_fleet_is_refused_before_anything_starts(drill, source, passable_root):
    small, unguarded = passable_root / "small", passable_root / "no-guard.yaml"
    small.mkdir()
    file = yaml.safe_load((Path(__file__).parents[2] / "drills" / "postgres-fleet" / "drill.yaml").read_text())
    del file["extensions"][0]["guards"]  # a bound that knows nothing of this fleet
    unguarded.write_text(yaml.safe_dump(file))
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=30m,mode=0711", "tmpfs", small], check=True)
    try:
        report = drill(f"source={source.dsn}", f"scratch_dir={small}", file=str(unguarded))
        assert (report.outcome, report.exit_code) == ("refused", 12), report
        assert "the fleet needs about" in report.data["refusals"][0]["reason"]
        assert report.data["faults"] == []
        assert list(small.iterdir()) == []
    finally:
        subprocess.run(["umount", small], check=True)


def test_what_cannot_be_accepted_is_told_before_anything_starts(drill, source, copies):
    report = drill(f"source={source.dsn}", f"backup={copies}", "accept=database-without-backup: no")
    assert report.outcome == "inconclusive", report
    assert "no finding that can be accepted" in str(report.data["steps"])
    assert report.data["faults"] == []
