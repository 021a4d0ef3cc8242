"""The nightly look at folders: what is well passes, and each thing that is wrong is found and named."""

import gzip
import os
import shutil
import subprocess
import tempfile
from datetime import timedelta
from pathlib import Path

import pytest
from nights import BEGIN, archive, look, newest, now, plain_dump, script, store

NOBODY = 65534


@pytest.fixture
def dumps(tmp_path):
    """Eight nights of a script's dumps."""
    return script(tmp_path / "dumps")


@pytest.fixture
def sets(tmp_path):
    """Eight nights of `chaoslab backup`."""
    return store(tmp_path / "store")


def test_backups_that_are_well_pass_and_each_database_has_its_row(tmp_path, dumps, sets):
    looked = look(tmp_path, dumps=dumps, stores=sets, since=f"{now() - timedelta(days=7):%Y-%m-%d}")
    assert looked.outcome == "passed", looked
    assert looked.exit_code == 0
    assert set(looked.parts) == {"shop", "users"}
    assert looked.parts["shop"].outcome == "ok"
    low, high = looked.record.figures["lost_s"]["value"]
    assert 3500 < low <= high < 4200
    assert looked.record.figures["examined"]["value"] >= 16 + 8 * 6


def test_where_nobody_says_what_there_is_it_is_told_that_a_database_may_go_unseen(tmp_path, dumps):
    notes = {finding.code for finding in look(tmp_path, dumps=dumps).record.findings}
    assert "databases-not-named" in notes
    named = {finding.code for finding in look(tmp_path, dumps=dumps, databases="shop,users").record.findings}
    assert "databases-not-named" not in named


def test_the_same_objective_that_passes_can_be_missed(tmp_path, dumps):
    looked = look(tmp_path, dumps=dumps, rpo="15m")
    assert looked.outcome == "failed"
    assert "objective rpo is missed" in " ".join(looked.verdict.reasons)


def test_an_empty_place(tmp_path):
    (tmp_path / "dumps").mkdir()
    looked = look(tmp_path, dumps=tmp_path / "dumps")
    assert (looked.outcome, looked.codes()) == ("failed", {"backup-absent"}), looked


@pytest.mark.parametrize("kind", ["dumps", "stores"])
def test_a_place_that_is_not_there(tmp_path, kind):
    looked = look(tmp_path, **{kind: tmp_path / "nowhere"})
    assert (looked.outcome, looked.codes()) == ("failed", {"backup-place-absent"}), looked


def test_no_place_at_all_is_said_before_anything_is_tried(tmp_path):
    looked = look(tmp_path)
    assert looked.outcome == "inconclusive", looked


def test_a_newest_backup_that_is_too_old(tmp_path, dumps):
    for path in dumps.glob("users_*"):
        if path.name >= f"users_{now() - timedelta(hours=30):%Y%m%dT%H%M%SZ}":
            path.unlink()
    looked = look(tmp_path, dumps=dumps)
    assert looked.outcome == "failed"
    assert looked.codes() == {"backup-too-old"}, looked
    assert looked.parts["users"].outcome == "failed"
    assert looked.parts["shop"].outcome == "ok"


def test_an_old_dump_that_was_copied_with_a_fresh_name_and_date(tmp_path, binaries, server):
    folder = tmp_path / "dumps"
    archive(binaries, server.dsn("billing"), folder / f"billing_{now():%Y%m%d_%H%M%S}.dump", "--schema-only")
    assert look(tmp_path, dumps=folder).outcome == "passed"
    [path] = folder.iterdir()
    content = bytearray(path.read_bytes())
    at = content.index(bytes([0, now().year - 1900, 0, 0, 0]))
    content[at + 1] -= 1  # the header's year: an archive of a year ago
    path.write_bytes(content)
    looked = look(tmp_path, dumps=folder)
    assert looked.outcome == "failed"
    assert {"backup-older-than-it-looks", "backup-too-old"} <= looked.codes(), looked


def test_a_dump_of_another_database(tmp_path, binaries, server):
    folder = tmp_path / "dumps"
    archive(binaries, server.dsn("billing"), folder / f"orders_{now():%Y%m%d_%H%M%S}.dump", "--schema-only")
    assert look(tmp_path, dumps=folder).codes() == {"backup-of-another-database"}


def test_a_date_in_the_future_counts_for_nothing(tmp_path, dumps):
    plain_dump(dumps / f"shop_{now() + timedelta(days=2):%Y%m%dT%H%M%SZ}.sql")
    looked = look(tmp_path, dumps=dumps)
    assert looked.codes() == {"backup-from-the-future"}, looked
    assert looked.record.figures["lost_s"]["value"][0] > 3000


def test_the_date_of_a_file_alone_is_weak_and_said_to_be(tmp_path):
    plain_dump(tmp_path / "dumps/shop.sql", at=now() - timedelta(hours=2))
    looked = look(tmp_path, dumps=tmp_path / "dumps")
    assert looked.outcome == "passed", looked
    assert "backup-age-weak" in looked.codes("warning")
    plain_dump(tmp_path / "dumps/shop.sql", at=now() - timedelta(days=3))
    assert look(tmp_path, dumps=tmp_path / "dumps").codes() == {"backup-too-old"}


def test_a_backup_that_shrank_by_half(tmp_path, dumps):
    plain_dump(newest(dumps, "shop"), size=9_000)
    looked = look(tmp_path, dumps=dumps)
    assert looked.outcome == "failed"
    assert looked.codes() == {"backup-shrunk"}, looked


def test_two_backups_are_no_history(tmp_path):
    folder = script(tmp_path / "dumps", nights=2)
    plain_dump(newest(folder, "shop"), size=5_000)
    assert look(tmp_path, dumps=folder).outcome == "passed"


def test_a_dump_cut_short(tmp_path, dumps):
    path = newest(dumps, "shop")
    path.write_text(path.read_text()[:-100])
    looked = look(tmp_path, dumps=dumps)
    assert looked.codes() == {"backup-truncated"}, looked


@pytest.mark.parametrize(("keep", "code"), [(0.7, "backup-truncated"), (None, "backup-corrupt")])
def test_a_packed_dump_that_is_damaged(tmp_path, keep, code):
    path = tmp_path / "dumps" / f"shop_{now():%Y%m%d%H%M%S}.sql.gz"
    path.parent.mkdir()
    text = (
        BEGIN
        + "".join(f"INSERT {n * 7919 % 104729};\n" for n in range(20_000))
        + "-- PostgreSQL database dump complete\n"
    )
    packed = bytearray(gzip.compress(text.encode()))
    path.write_bytes(packed)
    assert look(tmp_path, dumps=path.parent).outcome == "passed"
    if keep:
        path.write_bytes(packed[: int(len(packed) * keep)])
    else:
        packed[-6] ^= 0xFF  # its checksum
        path.write_bytes(packed)
    assert look(tmp_path, dumps=path.parent).codes() == {code}


def test_an_archive_cut_short_is_read_to_its_end(tmp_path, binaries, server):
    folder = tmp_path / "dumps"
    path = archive(binaries, server.dsn("billing"), folder / f"billing_{now():%Y%m%d_%H%M%S}.dump")
    assert look(tmp_path, dumps=folder).outcome == "passed"
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    looked = look(tmp_path, dumps=folder)
    assert looked.codes() == {"backup-truncated"}, looked
    untouched = look(tmp_path, dumps=folder, read_for="0s")
    assert "backup-not-read" in untouched.codes("note")  # said, where it is not proved


def test_a_checksum_beside_a_dump(tmp_path, dumps):
    path = newest(dumps, "shop")
    digest = subprocess.run(["sha256sum", path], check=True, capture_output=True, text=True).stdout
    path.with_name(path.name + ".sha256").write_text(digest)
    assert look(tmp_path, dumps=dumps).outcome == "passed"
    content = path.read_bytes()
    path.write_bytes(content.replace(b"xxx", b"xyx", 1))
    assert look(tmp_path, dumps=dumps).codes() == {"backup-checksum-differs"}


def test_a_hole_in_the_nights(tmp_path, dumps):
    missing = now() - timedelta(days=3, hours=1)
    next(dumps.glob(f"shop_{missing:%Y%m%d}*")).unlink()
    looked = look(tmp_path, dumps=dumps)
    assert looked.codes() == {"retention-hole"}, looked
    assert f"{missing:%Y-%m-%d} (daily)" in looked.message("retention-hole")
    assert looked.parts["shop"].outcome == "failed"


def test_retention_that_removed_too_much(tmp_path):
    folder = script(tmp_path / "dumps", nights=3)
    assert "retention-not-provable" in look(tmp_path, dumps=folder).codes("warning")
    looked = look(tmp_path, dumps=folder, since="2026-01-01")
    assert looked.codes() == {"retention-hole"}, looked


def test_encryption_that_is_required(tmp_path):
    path = plain_dump(tmp_path / "dumps" / f"shop_{now():%Y%m%d%H%M%S}.dump.gpg")
    looked = look(tmp_path, dumps=path.parent, encrypted="yes")
    assert looked.codes() == {"backup-unencrypted"}, looked
    path.write_bytes(b"age-encryption.org/v1\n-> X25519 abc\n" + os.urandom(9000))
    looked = look(tmp_path, dumps=path.parent, encrypted="yes")
    assert looked.outcome == "passed", looked
    assert "backup-not-read" in looked.codes("note")


def test_databases_against_those_of_the_server(tmp_path, server):
    folder = script(tmp_path / "dumps", databases=("shop_orders", "shop_users", "dropped_long_ago"))
    looked = look(tmp_path, dumps=folder, source=server.dsn("billing"))
    assert looked.codes() == {"database-without-backup"}, looked
    assert ("backup-of-unknown-database", "dropped_long_ago") in looked.findings("note")
    assert looked.parts["billing"].outcome == "failed"
    assert "nothing shows how much was lost at most" in " ".join(looked.verdict.reasons)
    assert look(tmp_path, dumps=folder, source=server.dsn("billing"), exclude="billing;postgres").outcome == "passed"


def test_a_source_that_is_down_leaves_only_its_own_questions_open(tmp_path, dumps):
    looked = look(tmp_path, dumps=dumps, source="host=127.0.0.1 port=1 dbname=shop")
    assert (looked.outcome, looked.codes("unknown")) == ("inconclusive", {"source-not-asked"}), looked


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
def test_a_folder_that_may_not_be_read_is_unknown(tmp_path, dumps):
    assert look(tmp_path, dumps=dumps).outcome == "passed"  # and everything is imported that nobody else may read
    home = Path(tempfile.mkdtemp(prefix="chaoslab-test-"))
    try:
        os.chown(home, NOBODY, NOBODY)
        shutil.move(dumps, home / "dumps")
        (home / "dumps").chmod(0o700)
        os.seteuid(NOBODY)
        try:
            looked = look(home, dumps=home / "dumps")
        finally:
            os.seteuid(0)
    finally:
        shutil.rmtree(home)
    assert looked.outcome == "inconclusive", looked
    assert looked.codes("unknown") == {"backup-place-unreadable", "recovery-point-unknown"}
