"""Servers in Barman: read, restored by barman, recovered to a point, and never changed; and what can be wrong."""

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "support"))
from barman_lab import segments
from kept import state_of_tree
from origin import POINT, words_of, write_wal

from chaoslab.core.errors import Missing
from chaoslab.postgres.physical import programs
from chaoslab.postgres.physical.opening import open_repository
from chaoslab.postgres.physical.recover import Recovering, recover
from chaoslab.postgres.physical.repository import RepositoryFailed
from chaoslab.postgres.physical.target import choose_backup, parse_target
from chaoslab.postgres.programs.commands import run

pytestmark = pytest.mark.postgres
DEADLINE_S = 180


@pytest.fixture
def lab(barman_lab):
    return barman_lab


def opened(config, place=None, server="main"):
    work = {"work": str(place / "tool")} if place else {}
    return open_repository("barman", server=server, config=str(config), **work)


def recovered(repository, place, binaries, target):
    backup = choose_backup(repository.backups(), target)
    how = Recovering(
        place / "server", place / "tablespaces", binaries, deadline_s=DEADLINE_S, settings={"fsync": "off"}
    )
    return recover(repository, backup, target, how).cluster


def code_of(failed):
    return [one.code for one in failed.value.differences]


def test_its_backups_and_wal_are_told_as_they_are(lab, binaries):
    repository = opened(lab.config)
    [backup] = repository.backups()
    control = run([binaries.program("pg_controldata"), lab.origin.cluster.data], deadline_s=20)
    assert backup.system_identifier in control
    assert (backup.kind, backup.needs, backup.server_major, backup.timeline) == ("full", (), binaries.major, 1)
    assert 0 < backup.start_lsn < backup.stop_lsn
    assert 0 < backup.started_at <= backup.ended_at
    names = [one.name for one in repository.wal()]
    waiting = [path.name for path in lab.waiting.iterdir()]
    assert names == sorted([*segments(lab.home), *waiting, *(one for one in names if one.endswith(".backup"))])
    assert waiting, "the newest segment is one that Barman has not taken in yet"


def test_a_sound_backup_is_found_sound(lab):
    repository = opened(lab.config)
    assert repository.check(repository.backups()[0], deadline_s=DEADLINE_S) == []


def test_neither_the_drill_nor_what_it_recovers_changes_barman_s_home(lab, place, binaries):
    """`barman recover` by itself would take in what waits, take its locks there, and run the hooks."""
    before = state_of_tree(lab.home, lab.origin.space)
    repository = opened(lab.config, place)
    repository.check(repository.backups()[0], deadline_s=DEADLINE_S)
    cluster = recovered(repository, place, binaries, parse_target("latest"))
    try:
        assert words_of(cluster) == ["full", "last good", "disaster"]
        links = [path.readlink() for path in (cluster.data / "pg_tblspc").iterdir()]
        assert [str(link).startswith(str(place / "tablespaces")) for link in links] == [True]
        assert write_wal(cluster) == ("off", 0)
    finally:
        cluster.stop()
    assert state_of_tree(lab.home, lab.origin.space) == before
    assert not (lab.home / "hook-was-run").exists()


def test_it_recovers_to_the_point_with_the_original_gone(lab, place, binaries):
    lab.origin.cluster.stop("fast")
    try:
        cluster = recovered(opened(lab.config, place), place, binaries, parse_target(f"name {POINT}"))
        try:
            assert words_of(cluster) == ["full", "last good"]
        finally:
            cluster.stop()
    finally:
        lab.origin.cluster.start()


def test_no_password_reaches_our_configuration(lab, place):
    repository = opened(lab.config, place)
    repository.backups()
    repository.restore_command()
    for name in ("barman.conf", "fetching.conf"):
        written = place / "tool" / name
        assert oct(written.stat().st_mode & 0o777) == "0o600"
        assert "pgpass" not in written.read_text()


def test_a_server_that_it_does_not_know_is_refused(lab):
    with pytest.raises(RepositoryFailed, match="knows no server nope; it knows main") as failed:
        opened(lab.config, server="nope").backups()
    assert code_of(failed) == ["stanza-missing"]


def test_a_configuration_that_is_not_there_is_named(lab):
    with pytest.raises(RepositoryFailed, match=r"no-such\.conf") as failed:
        opened(lab.root / "no-such.conf").backups()
    assert code_of(failed) == ["repository-config-missing"]


def test_a_tool_that_is_not_there_is_refused(lab, monkeypatch):
    monkeypatch.setattr(programs.shutil, "which", lambda name: None)
    with pytest.raises(Missing, match="barman is missing; apt-get install barman") as failed:
        opened(lab.config).backups()
    assert failed.value.exit_code == 12


def test_somebody_else_is_told_whom_to_be(lab, monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: 12345)
    with pytest.raises(RepositoryFailed, match="sudo -u barman") as failed:
        opened(lab.config).backups()
    assert code_of(failed) == ["repository-unreadable"]


def test_a_flipped_byte_in_a_backup_is_found(lab):
    copy, config = lab.copied("flipped")
    victim = next(copy.glob("main/base/*/data/base/1/1259"))
    with victim.open("r+b") as stream:
        stream.seek(4000)
        stream.write(b"FLIP")
    repository = opened(config)
    found = repository.check(repository.backups()[0], deadline_s=DEADLINE_S)
    assert [one.code for one in found] == ["backup-corrupt"]


def test_a_backup_whose_files_are_gone_is_refused_before_anything_is_copied(lab, place):
    copy, config = lab.copied("hollow")
    shutil.rmtree(next(copy.glob("main/base/*/data")))
    repository = opened(config, place)
    backup = repository.backups()[0]
    assert [one.code for one in repository.check(backup, deadline_s=DEADLINE_S)] == ["backup-orphaned"]
    (place / "data").mkdir()
    with pytest.raises(RepositoryFailed) as failed:
        repository.restore(backup, place / "data", place / "tablespaces", deadline_s=DEADLINE_S)
    assert code_of(failed) == ["backup-orphaned"]
