"""Opening a dump that somebody made: what it is, and whether it is whole."""

import gzip
import subprocess

import pytest

from chaoslab.core.errors import BadUsage
from chaoslab.postgres.logical.archive import NotABackup, damage, open_backup
from chaoslab.postgres.logical.backup import take_backup

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="module")
def dsn(make_database):
    return make_database(size_mb=1, name="archive_test")


def run(binaries, program, *options):
    subprocess.run([binaries.program(program), *options], check=True)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "it is empty"),
        (b"hello", "no dump of pg_dump"),
        (b"\x28\xb5\x2f\xfd rest", "zstd"),
        (b"-----BEGIN PGP MESSAGE-----", "encrypted"),
        (gzip.compress(b"hello"), "no dump of pg_dump"),
        (b"\x1f\x8b", "cannot be opened"),
        (b"PGDMP", "ends too early"),
        (b"PGDMP" + bytes([1, 99, 0]) + bytes(100), "newer pg_dump"),
    ],
)
def test_what_is_no_dump_is_told_in_one_line(content, told, binaries, tmp_path):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(NotABackup) as caught:
        open_backup(tmp_path / "file", binaries)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.difference.code.startswith("backup-")


def test_a_missing_dump_or_one_of_a_whole_cluster_is_bad_usage(dsn, binaries, tmp_path):
    with pytest.raises(BadUsage, match="No such file"):
        open_backup(tmp_path / "none", binaries)
    run(binaries, "pg_dumpall", "--globals-only", f"--file={tmp_path / 'all.sql'}", f"--dbname={dsn}")
    with pytest.raises(BadUsage, match="whole cluster"):
        open_backup(tmp_path / "all.sql", binaries)


def test_a_damaged_directory(dsn, binaries, tmp_path):
    path = tmp_path / "d"
    run(binaries, "pg_dump", "--format=directory", f"--file={path}", f"--dbname={dsn}")
    largest = max(path.iterdir(), key=lambda file: file.stat().st_size)
    largest.write_bytes(largest.read_bytes()[:-200])
    found = damage(open_backup(path, binaries), binaries, deadline_s=60, watch=lambda: None)
    assert [one.code for one in found] in (["backup-truncated"], ["backup-corrupt"])


def test_checksums_of_a_manifest_find_every_change(dsn, binaries, tmp_path):
    taken = take_backup(dsn, tmp_path, binaries)
    whole = taken.path.read_bytes()

    def codes():
        return [one.code for one in damage(open_backup(taken.path, binaries), binaries, deadline_s=60, watch=int)]

    assert codes() == []
    taken.path.write_bytes(whole[:-1])
    assert codes() == ["backup-truncated"]
    taken.path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert codes() == ["backup-checksum-differs"]
    taken.path.write_bytes(whole)
    taken.globals_path.unlink()
    assert codes() == ["backup-truncated"]
