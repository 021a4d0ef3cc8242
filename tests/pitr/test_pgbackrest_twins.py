"""What can be wrong with a repository of pgBackRest's: each twin is refused or failed under its own code."""

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "sabotage" / "support"))
sys.path.insert(0, str(Path(__file__).parent / "support"))
from origin import POINT
from pgbackrest_lab import KEY, segments, set_back
from postgres_drill import run_drill

from chaoslab.core.errors import BadUsage, Missing
from chaoslab.postgres.physical import programs
from chaoslab.postgres.physical.opening import open_repository
from chaoslab.postgres.physical.pgbackrest_errors import complaint
from chaoslab.postgres.physical.pgbackrest_info import read_info
from chaoslab.postgres.physical.recover import Recovering, RecoveryFailed, recover
from chaoslab.postgres.physical.repository import RepositoryFailed
from chaoslab.postgres.physical.survey import survey
from chaoslab.postgres.physical.target import parse_target
from chaoslab.postgres.programs.commands import server_user
from chaoslab.postgres.servers.folders import give

pytestmark = pytest.mark.postgres
DEADLINE_S = 180


def opened(config, place=None, stanza="main"):
    work = {"work": str(place / "tool")} if place else {}
    return open_repository("pgbackrest", stanza=stanza, config=str(config), **work)


def codes(found):
    return [one.code for one in found]


def test_a_stanza_that_is_not_there(pgbackrest_lab):
    with pytest.raises(RepositoryFailed, match="pgbackrest stanza nope: missing stanza path") as failed:
        opened(pgbackrest_lab.config, stanza="nope").backups()
    assert codes(failed.value.differences) == ["stanza-missing"]


def test_no_stanza_is_named(pgbackrest_lab):
    with pytest.raises(BadUsage, match="which stanza"):
        opened(pgbackrest_lab.config, stanza="")


def test_a_configuration_that_is_not_there(pgbackrest_lab):
    with pytest.raises(RepositoryFailed, match=r"no-such\.conf") as failed:
        opened(pgbackrest_lab.root / "no-such.conf").backups()
    assert codes(failed.value.differences) == ["repository-config-missing"]


def test_a_tool_that_is_not_there(pgbackrest_lab, monkeypatch):
    monkeypatch.setattr(programs.shutil, "which", lambda name: None)
    with pytest.raises(Missing, match="pgbackrest is missing; apt-get install pgbackrest") as failed:
        opened(pgbackrest_lab.config).backups()
    assert failed.value.exit_code == 12


@pytest.mark.skipif(server_user() is None, reason="only root can shut somebody else out")
def test_a_repository_that_the_server_s_user_may_not_read(pgbackrest_lab):
    copy, config = pgbackrest_lab.copied("closed")
    shutil.chown(copy, 0, 0)
    copy.chmod(0o700)
    with pytest.raises(RepositoryFailed, match="Permission denied.*who has to be able to read") as failed:
        opened(config).backups()
    assert codes(failed.value.differences) == ["repository-unreadable"]


def test_the_full_backup_that_others_need_is_gone(pgbackrest_lab, place):
    """`pgbackrest info` still lists it and says ok."""
    copy, config = pgbackrest_lab.copied("orphaned")
    repository = opened(config, place)
    full, *_, last = repository.backups()
    shutil.rmtree(copy / "backup" / "main" / full.label)
    assert codes(repository.check(last, deadline_s=DEADLINE_S)) == ["backup-orphaned"]
    (place / "data").mkdir()
    with pytest.raises(RepositoryFailed, match=f"{full.label} is gone") as failed:
        repository.restore(last, place / "data", place / "tablespaces", deadline_s=DEADLINE_S)
    assert codes(failed.value.differences) == ["backup-orphaned"]
    assert list((place / "data").iterdir()) == []


def test_files_of_a_backup_and_of_the_archive_are_damaged(pgbackrest_lab):
    copy, config = pgbackrest_lab.copied("damaged")
    repository = opened(config)
    full, *_, last = repository.backups()
    victim = copy / "backup" / "main" / full.label / "pg_data" / "base" / "1" / "1255.gz"
    with victim.open("r+b") as stream:
        stream.seek(500)
        stream.write(b"FLIP")
    with list(segments(copy).values())[1].open("r+b") as stream:
        stream.truncate(5000)
    assert sorted(codes(repository.check(last, deadline_s=DEADLINE_S))) == ["backup-corrupt", "wal-damaged"]


def test_a_segment_in_the_middle_is_missing(pgbackrest_lab, place, binaries):
    copy, config = pgbackrest_lab.copied("gap")
    repository = opened(config, place)
    full = repository.backups()[0]
    gone = next(name for name in segments(copy) if int(name[16:], 16) == full.stop_lsn // 2**24 + 1)
    segments(copy)[gone].unlink()
    gaps = [one for one in survey(repository).differences if one.code == "wal-gap"]
    assert [one.where for one in gaps] == [gone]
    how = Recovering(
        place / "server", place / "tablespaces", binaries, deadline_s=DEADLINE_S, settings={"fsync": "off"}
    )
    with pytest.raises(RecoveryFailed) as failed:
        recover(repository, full, parse_target(f"name {POINT}"), how)
    named = [(one.code, one.where, one.severity) for one in failed.value.differences]
    assert named == [("wal-gap", gone, "failure"), ("recovery-target-not-reached", "recovery", "failure")]
    assert gone in str(failed.value), "what people read first names the segment"


def encrypted(lab):
    """Make an encrypted repository of the same server's: a stanza and its archive are enough to need the key."""
    cipher = {"repo1-path": str(lab.folder("encrypted")), "repo1-cipher-type": "aes-256-cbc"}
    config = lab.write(lab.root / "encrypted.conf", {**cipher, "repo1-cipher-pass": KEY})
    keyless = lab.write(lab.root / "keyless.conf", cipher)
    if not any((lab.root / "encrypted").iterdir()):
        lab.tool("stanza-create", config=config)
    return config, keyless


def test_an_encrypted_repository_and_its_key(pgbackrest_lab, monkeypatch):
    config, keyless = encrypted(pgbackrest_lab)
    assert opened(config).backups() == []
    with pytest.raises(RepositoryFailed, match="PGBACKREST_REPO1_CIPHER_PASS") as failed:
        opened(keyless).backups()
    assert codes(failed.value.differences) == ["repository-key-wrong"]
    monkeypatch.setenv("PGBACKREST_REPO1_CIPHER_PASS", "canary: not the key")
    with pytest.raises(RepositoryFailed) as failed:
        opened(keyless).backups()
    assert codes(failed.value.differences) == ["repository-key-wrong"]
    assert "canary" not in str(failed.value)
    monkeypatch.setenv("PGBACKREST_REPO1_CIPHER_PASS", KEY)
    assert opened(keyless).backups() == []


def test_a_wrong_key_that_opens_a_file_by_chance():
    """The padding of noise is right once in 256 times: then noise is quoted, control characters and all."""
    said = "[FormatError] unable to load info file: key/value found outside of section at line 1: \x01\t&_"
    status = f'{{"code":99,"message":"{said}"}}'
    text = f'[{{"backup":[],"cipher":"aes-256-cbc","db":[],"name":"main","repo":[{{"status":{status}}}]}}]'
    stanza = read_info(text, "main")
    found = complaint(stanza.message, "main", otherwise="repository-unreadable")
    assert found.code == "repository-key-wrong"
    assert found.message.isprintable()


def test_an_object_store_that_does_not_answer(pgbackrest_lab):
    s3 = {
        "repo1-type": "s3",
        "repo1-s3-endpoint": "127.0.0.1",
        "repo1-storage-port": "9",
        "repo1-s3-bucket": "b",
        "repo1-s3-region": "us-east-1",
        "repo1-s3-key": "k",
        "repo1-s3-key-secret": "s",
        "io-timeout": "0.5",
    }
    config = pgbackrest_lab.write(pgbackrest_lab.root / "nowhere.conf", s3)
    give(config, pgbackrest_lab.user)
    with pytest.raises(RepositoryFailed) as failed:
        opened(config).backups()
    assert codes(failed.value.differences) == ["repository-unreachable"]


def test_an_archive_that_stopped_three_hours_ago(pgbackrest_lab, state, tmp_path):
    """The newest segment is three hours old, as it would be; the backups are from last night."""
    copy, config = pgbackrest_lab.copied("stopped")
    set_back(segments(copy).values(), 3 * 3600)
    where = f"stanza=main; config={config}"
    report = run_drill(tmp_path, "repository=pgbackrest", f"repository_where={where}", file="backup-freshness")
    assert report.outcome == "failed", report
    assert "archive-stopped" in report.codes(), report


def test_a_backup_of_another_version_than_the_programs(pgbackrest_lab, drill, other_versions):
    where = ["repository=pgbackrest", "stanza=main", f"config={pgbackrest_lab.config}", "disaster=declared"]
    source = f"source={pgbackrest_lab.origin.cluster.dsn()}"
    report = drill(source, *where, "target=latest", f"bin_dir={other_versions[16].bin}")
    assert report.outcome == "failed", report
    assert "server-version-differs" in report.codes(), report
