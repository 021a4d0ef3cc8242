"""Repositories of pgBackRest's: read, restored by pgbackrest, recovered to a point, and never changed."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "support"))
from kept import state_of_tree
from origin import POINT, words_of, write_wal
from pgbackrest_lab import segments

from chaoslab.postgres.physical.opening import open_repository
from chaoslab.postgres.physical.recover import Recovering, recover
from chaoslab.postgres.physical.target import choose_backup, parse_target
from chaoslab.postgres.programs.commands import run

pytestmark = pytest.mark.postgres
GOOD = ["full", "diff", "incr", "last good"]
DEADLINE_S = 180


def opened(config, place=None, **more):
    work = {"work": str(place / "tool")} if place else {}
    return open_repository("pgbackrest", stanza="main", config=str(config), **work, **more)


def recovered(repository, place, binaries, target, label=""):
    """Recover, promote, and stop when the test is done with it."""
    backup = choose_backup(repository.backups(), target, label)
    how = Recovering(
        place / "server", place / "tablespaces", binaries, deadline_s=DEADLINE_S, settings={"fsync": "off"}
    )
    return recover(repository, backup, target, how).cluster


def test_its_backups_are_told_as_they_are(pgbackrest_lab, binaries):
    backups = opened(pgbackrest_lab.config).backups()
    assert [one.kind for one in backups] == ["full", "differential", "incremental"]
    full, differential, incremental = backups
    assert full.needs == ()
    assert differential.needs == (full.label,)
    assert set(incremental.needs) == {full.label, differential.label}
    control = run(
        [binaries.program("pg_controldata"), pgbackrest_lab.origin.cluster.data],
        deadline_s=20,
        user=pgbackrest_lab.user,
    )
    for one in backups:
        assert f"{one.system_identifier}" in control
        assert one.server_major == binaries.major
        assert one.timeline == 1
        assert 0 < one.start_lsn < one.stop_lsn
        assert 0 < one.started_at <= one.ended_at
        assert one.bytes > 10_000_000
    assert [one.ended_at for one in backups] == sorted(one.ended_at for one in backups)


def test_its_wal_is_listed_under_the_names_that_a_server_asks_for(pgbackrest_lab):
    names = [one.name for one in opened(pgbackrest_lab.config).wal()]
    assert names == sorted(segments(pgbackrest_lab.root / "repo"))
    assert {len(name) for name in names} == {24}
    assert all(one.bytes > 0 and one.archived_at > 1_700_000_000 for one in opened(pgbackrest_lab.config).wal())


def test_a_sound_repository_is_found_sound(pgbackrest_lab):
    repository = opened(pgbackrest_lab.config)
    assert [repository.check(one, deadline_s=DEADLINE_S) for one in repository.backups()] == [[], [], []]


def test_from_the_oldest_it_recovers_to_the_point_and_no_further(pgbackrest_lab, place, binaries):
    """The newest, which needs all others, is taken by the tests below."""
    repository = opened(pgbackrest_lab.config, place)
    label = repository.backups()[0].label
    cluster = recovered(repository, place, binaries, parse_target(f"name {POINT}"), label)
    try:
        assert words_of(cluster) == GOOD
        links = [path.readlink() for path in (cluster.data / "pg_tblspc").iterdir()]
        assert [str(link).startswith(str(place / "tablespaces")) for link in links] == [True]
    finally:
        cluster.stop()


def test_neither_the_drill_nor_what_it_recovers_changes_the_repository(pgbackrest_lab, place, binaries):
    """The recovered server is a copy of one that archives: promoted, it fills segments, and none arrives."""
    kept = [pgbackrest_lab.root / name for name in ("repo", "log", "lock", "spool", "space")]
    before = state_of_tree(*kept)
    assert "archive-push" in (pgbackrest_lab.origin.cluster.data / "chaoslab.conf").read_text()
    repository = opened(pgbackrest_lab.config, place)
    repository.wal()
    repository.check(repository.backups()[-1], deadline_s=DEADLINE_S)
    cluster = recovered(repository, place, binaries, parse_target("latest"))
    try:
        assert words_of(cluster) == [*GOOD, "disaster"]
        assert write_wal(cluster) == ("off", 0)
    finally:
        cluster.stop()  # an archiver of its own would send the rest on its way out
    assert state_of_tree(*kept) == before
    pgbackrest_lab.archived(pgbackrest_lab.origin.switch())  # while the original still archives


def test_a_configuration_that_leads_back_to_the_original_does_not(pgbackrest_lab, place, binaries):
    """What it says about links, tablespaces, recovery, queues and hosts is for the day of the real disaster."""
    hostile = {"link-all": "y", "delta": "y", "archive-async": "y", "process-max": "2", "archive-mode": "preserve"}
    stanza = [
        f"tablespace-map=roomy={pgbackrest_lab.root / 'space'}",
        "recovery-option=primary_conninfo=host=original",
        "recovery-option=recovery_target_action=shutdown",
        "db-include=nothing",
        "pg1-host=original.invalid",
    ]
    config = pgbackrest_lab.write(pgbackrest_lab.root / "hostile.conf", hostile, stanza)
    kept = [pgbackrest_lab.root / name for name in ("repo", "log", "lock", "spool", "space")]
    before = state_of_tree(*kept)
    cluster = recovered(opened(config, place), place, binaries, parse_target(f"name {POINT}"))
    try:
        assert words_of(cluster) == GOOD
        assert write_wal(cluster) == ("off", 0)
    finally:
        cluster.stop()
    assert state_of_tree(*kept) == before


def test_no_password_of_the_environment_is_in_a_list_of_processes(pgbackrest_lab, place, monkeypatch):
    monkeypatch.setenv("PGBACKREST_REPO1_CIPHER_PASS", "canary-of-the-key")
    monkeypatch.setenv("PGBACKREST_LOCK_PATH", "/somewhere/of/theirs")
    repository = opened(pgbackrest_lab.config, place)
    assert "canary" not in repository.restore_command()
    script = place / "tool" / "archive-get"
    assert oct(script.stat().st_mode & 0o777) == "0o700"
    assert "canary-of-the-key" in script.read_text()
    assert "/somewhere/of/theirs" not in script.read_text()
    assert "canary" not in json.dumps(repository._command("restore"))
