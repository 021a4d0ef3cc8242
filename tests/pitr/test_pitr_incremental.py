"""Incremental base backups, which PostgreSQL has from 17 on: joined, recovered from, and told when one is gone."""

import shutil
import subprocess

import psycopg
import pytest
from folder_lab import wait_until

from chaoslab.postgres.physical.archiving import archive_command
from chaoslab.postgres.physical.opening import open_repository
from chaoslab.postgres.physical.recover import Recovering, recover
from chaoslab.postgres.physical.repository import RepositoryFailed
from chaoslab.postgres.physical.target import parse_target
from chaoslab.postgres.programs.commands import server_user
from chaoslab.postgres.servers.cluster import Cluster
from chaoslab.postgres.servers.folders import give

pytestmark = pytest.mark.postgres
SETTINGS = {"fsync": "off", "wal_level": "replica", "archive_mode": "on", "summarize_wal": "on"}


@pytest.fixture(scope="module")
def programs(other_versions):
    return other_versions[18]


@pytest.fixture(scope="module")
def chain(programs, passable_root):
    """A folder with a full backup, an incremental one on it as plain files, and one on that as a tar file."""
    folder = passable_root / "chain"
    for path in (folder, folder / "archive", folder / "base"):
        path.mkdir()
        path.chmod(0o711)
        give(path, server_user())
    settings = {**SETTINGS, "archive_command": archive_command(folder / "archive")}
    cluster = Cluster.create(folder / "server", programs, settings=settings, superuser="postgres", wal_segment_mb=1)
    cluster.start()
    try:
        with psycopg.connect(cluster.dsn(), autocommit=True) as connection:
            connection.execute("CREATE TABLE t AS SELECT n FROM generate_series(1, 5000) n")
            before = ""
            for name, form in (("full", "plain"), ("second", "plain"), ("third", "tar")):
                command = [programs.program("pg_basebackup"), "-D", folder / "base" / name, "-d", cluster.dsn()]
                command += [f"--format={form}", "--wal-method=none", "--checkpoint=fast", "--no-sync"]
                command += [f"--incremental={folder}/base/{before}/backup_manifest"] if before else []
                subprocess.run(command, check=True, capture_output=True)
                connection.execute("INSERT INTO t SELECT n FROM generate_series(1, 100) n")
                before = name
            last, _ = connection.execute("SELECT pg_walfile_name(pg_current_wal_lsn()), pg_switch_wal()").fetchone()
            wait_until((folder / "archive" / last).exists, what="the last segment")
    finally:
        cluster.stop("immediate")
    return folder


def opened(chain, programs):
    where = {"backups": str(chain / "base"), "wal": str(chain / "archive"), "bin_dir": str(programs.bin)}
    return open_repository("folder", **where)


def how(folder, programs):
    folder.mkdir()
    folder.chmod(0o711)
    (folder / "tablespaces").mkdir(mode=0o711)
    return Recovering(folder / "server", folder / "tablespaces", programs, deadline_s=180, settings={"fsync": "off"})


@pytest.mark.parametrize("label", ["second", "third"])
def test_a_chain_is_joined_and_recovered_from(label, chain, programs, passable_root):
    repository = opened(chain, programs)
    backups = {one.label: one for one in repository.backups()}
    assert {name: (one.kind, one.needs) for name, one in backups.items()} == {
        "full": ("full", ()),
        "second": ("incremental", ("full",)),
        "third": ("incremental", ("full", "second")),
    }
    assert repository.check(backups[label], deadline_s=120, watch=lambda: None) == []
    place = how(passable_root / f"from-{label}", programs)
    recovered = recover(repository, backups[label], parse_target("latest"), place)
    try:
        with psycopg.connect(recovered.cluster.dsn()) as connection:
            assert connection.execute("SELECT count(*) FROM t").fetchone() == (5300,)
            assert connection.execute("SHOW archive_mode").fetchone() == ("off",)
    finally:
        recovered.cluster.destroy()


def test_a_chain_whose_beginning_is_gone(chain, programs, passable_root):
    broken = passable_root / "broken-chain"
    shutil.copytree(chain / "base", broken / "base")
    shutil.copytree(chain / "archive", broken / "archive")
    shutil.rmtree(broken / "base" / "full")
    repository = opened(broken, programs)
    backup = next(one for one in repository.backups() if one.label == "second")
    with pytest.raises(RepositoryFailed) as failed:
        recover(repository, backup, parse_target("latest"), how(passable_root / "from-broken", programs))
    assert [one.code for one in failed.value.differences] == ["backup-chain-broken"]
