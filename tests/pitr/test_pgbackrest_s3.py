"""A repository of pgBackRest's in a real object store, encrypted on its way and where it lies."""

import sys
from pathlib import Path

import boto3
import psycopg
import pytest

sys.path.insert(0, str(Path(__file__).parent / "support"))
from origin import POINT, words_of
from pgbackrest_lab import KEY, PgBackRestLab

from chaoslab.postgres.physical.opening import open_repository
from chaoslab.postgres.physical.recover import Recovering, recover
from chaoslab.postgres.physical.repository import RepositoryFailed
from chaoslab.postgres.physical.survey import survey
from chaoslab.postgres.physical.target import choose_backup, parse_target
from chaoslab.postgres.servers.folders import make_passable

pytestmark = pytest.mark.postgres
DEADLINE_S = 240
SECRETS = ("repo1-s3-key", "repo1-s3-key-secret", "repo1-cipher-pass")


@pytest.fixture
def bucket(object_store):
    where = object_store.environment("a")
    client = boto3.client(
        "s3",
        endpoint_url=where["AWS_ENDPOINT_URL_S3"],
        aws_access_key_id=object_store.access_key,
        aws_secret_access_key=object_store.secret_key,
        region_name="us-east-1",
    )
    client.create_bucket(Bucket="pgbackrest")
    yield client
    client.close()


@pytest.fixture
def lab(object_store, bucket, binaries, passable_root):
    root = passable_root / "pgbackrest-s3"
    make_passable(root)
    root.chmod(0o755)
    trusted = root / "ca.crt"
    trusted.write_text(object_store.certificate.read_text())
    trusted.chmod(0o644)
    port = object_store.https_url("a").rpartition(":")[2]
    where = {
        "repo1-type": "s3",
        "repo1-bundle": "y",  # a thousand small files are slow to ask for one by one
        "repo1-path": "/repo",
        "repo1-s3-bucket": "pgbackrest",
        "repo1-s3-endpoint": "localhost",
        "repo1-storage-port": port,
        "repo1-s3-region": "us-east-1",
        "repo1-s3-uri-style": "path",
        "repo1-storage-ca-file": str(trusted),
        "repo1-s3-key": object_store.access_key,
        "repo1-s3-key-secret": object_store.secret_key,
        "repo1-cipher-type": "aes-256-cbc",
        "repo1-cipher-pass": KEY,
    }
    made = PgBackRestLab(root, binaries, where)
    try:
        yield made.fill(["full", "incr"])
    finally:
        made.stop()


def objects(client):
    """Return every version of every object, with its digest and date."""
    pages = client.get_paginator("list_objects_v2").paginate(Bucket="pgbackrest")
    return {one["Key"]: (one["Size"], one["ETag"], one["LastModified"]) for page in pages for one in page["Contents"]}


def test_it_is_read_and_recovered_from_with_its_secrets_in_the_environment(lab, bucket, place, binaries, monkeypatch):
    config = lab.write(lab.root / "no-secrets.conf", {}, without=SECRETS)
    known = {f"PGBACKREST_{name.upper().replace('-', '_')}": lab.repository[name] for name in SECRETS}
    for name, value in known.items():
        monkeypatch.setenv(name, value)
    before = objects(bucket)
    repository = open_repository("pgbackrest", stanza="main", config=str(config), work=str(place / "tool"))
    assert [one.kind for one in repository.backups()] == ["full", "incremental"]
    offered = survey(repository)
    assert offered.differences == []
    assert offered.segment_bytes == 16 * 2**20
    target = parse_target(f"name {POINT}")
    backup = choose_backup(offered.backups, target)
    assert repository.check(backup, deadline_s=DEADLINE_S) == []
    how = Recovering(
        place / "server", place / "tablespaces", binaries, deadline_s=DEADLINE_S, settings={"fsync": "off"}
    )
    cluster = recover(repository, backup, target, how).cluster
    try:
        assert words_of(cluster) == ["full", "incr", "last good"]
        with psycopg.connect(cluster.dsn(), autocommit=True) as connection:
            connection.execute("SELECT pg_switch_wal()")
    finally:
        cluster.stop()
    assert objects(bucket) == before

    monkeypatch.setenv("PGBACKREST_REPO1_S3_KEY_SECRET", "canary: not the secret")
    with pytest.raises(RepositoryFailed) as failed:
        repository.backups()
    assert [one.code for one in failed.value.differences] == ["repository-unreadable"]
    assert "canary" not in str(failed.value)

    monkeypatch.setenv("PGBACKREST_REPO1_S3_KEY_SECRET", known["PGBACKREST_REPO1_S3_KEY_SECRET"])
    monkeypatch.setenv("PGBACKREST_REPO1_CIPHER_PASS", "another key")
    with pytest.raises(RepositoryFailed) as failed:
        repository.backups()
    assert [one.code for one in failed.value.differences] == ["repository-key-wrong"]
