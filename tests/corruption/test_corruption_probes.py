"""The probes on a user's own things: they read, they tell, and what could not be looked at is never called clean."""

import shutil

import psycopg
import pytest

from chaoslab.core.errors import BadUsage, Missing
from chaoslab.postgres.connect import ConnectFailed
from chaoslab.postgres.corruption import probes
from chaoslab.postgres.corruption.places import heap_place
from chaoslab.postgres.physical.archiving import archive_command
from chaoslab.postgres.physical.base_backup import take_base_backup
from chaoslab.postgres.servers.cluster import Cluster
from chaoslab.postgres.servers.folders import give

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="module")
def server(binaries, passable_root):
    """A server with page checksums, an archive and a base backup; a table of it can be damaged."""
    home = passable_root / "probed"
    home.mkdir(mode=0o711)
    home.chmod(0o711)
    archive = home / "wal"
    archive.mkdir()
    settings = {"archive_mode": "on", "archive_command": archive_command(archive), "fsync": "off", "autovacuum": "off"}
    cluster = Cluster.create(home / "server", binaries, settings=settings, checksums=True)
    give(archive, cluster.user)
    cluster.start()
    try:
        with psycopg.connect(cluster.dsn(), autocommit=True) as connection:
            connection.execute("CREATE TABLE t AS SELECT n, 'row number ' || n AS note FROM generate_series(1, 3000) n")
            connection.execute("VACUUM (FREEZE, ANALYZE) t")
        take_base_backup(cluster, home / "backups" / "night", binaries, deadline_s=120, watch=lambda: None)
        yield cluster
    finally:
        cluster.destroy()


def test_checksums_are_on_there_and_off_elsewhere(server, source):
    assert probes.checksums_enabled(server.dsn()) is True
    assert probes.checksums_enabled(source) is False


def test_a_server_that_is_away_is_an_error_not_an_answer():
    for probe in (probes.checksums_enabled, probes.checksum_failures, probes.amcheck):
        with pytest.raises(ConnectFailed):
            probe("postgresql://nobody@127.0.0.1:1/none")


def test_failures_are_unknown_where_nothing_counts_them(source):
    with pytest.raises(probes.CannotLook, match="no checksums"):
        probes.checksum_failures(source)


def test_without_the_extension_amcheck_cannot_look(source):
    with pytest.raises(probes.CannotLook, match="CREATE EXTENSION amcheck"):
        probes.amcheck(source)


def test_a_damaged_page_is_counted_and_found(server):
    assert probes.checksum_failures(server.dsn()) == 0
    sees_amcheck = with_amcheck(server)
    if sees_amcheck:
        assert probes.amcheck(server.dsn()) is True
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        path = connection.execute("SELECT pg_relation_filepath('t')").fetchone()[0]
    server.stop()
    [patch] = heap_place(server.data / path).patches
    with (server.data / path).open("r+b") as file:
        file.seek(patch.offset)
        file.write(patch.after)
    server.start()
    with psycopg.connect(server.dsn(), autocommit=True) as connection, pytest.raises(psycopg.errors.DataCorrupted):
        connection.execute("SELECT count(note) FROM t").fetchone()
    # The session reports what it met when it ends.
    deadline = 600
    while probes.checksum_failures(server.dsn()) == 0 and deadline:
        deadline -= 1
    assert probes.checksum_failures(server.dsn()) > 0
    if sees_amcheck:
        assert probes.amcheck(server.dsn()) is False
        assert probes.amcheck(server.dsn(), heapallindexed=False) is False


def with_amcheck(server):
    """Make amcheck usable; say whether it is there, program and extension."""
    try:
        with psycopg.connect(server.dsn(), autocommit=True) as connection:
            connection.execute("CREATE EXTENSION amcheck")
    except psycopg.errors.FeatureNotSupported:
        with pytest.raises((probes.CannotLook, Missing)):
            probes.amcheck(server.dsn())
        return False
    return True


def test_a_backup_verifies_until_a_byte_of_it_is_flipped(server, tmp_path):
    home = server.folder.parent
    folders = {"backups": str(home / "backups"), "wal": str(home / "wal")}
    assert probes.backup_verifies(**folders) is True
    assert probes.backup_verifies(**folders, label="night") is True
    with pytest.raises(BadUsage, match="no base backup 'morning'; it holds night"):
        probes.backup_verifies(**folders, label="morning")
    shutil.copytree(home / "backups", tmp_path / "backups")
    broken = tmp_path / "backups" / "night" / "global" / "pg_control"
    content = bytearray(broken.read_bytes())
    content[100] ^= 1
    broken.write_bytes(content)
    assert probes.backup_verifies(backups=str(tmp_path / "backups"), wal=str(home / "wal")) is False
