"""A bucket of one's own in a real object store, and servers to take backups of."""

import itertools
import sys
from pathlib import Path

import pytest

from chaoslab.lab.databases import create_database
from chaoslab.postgres.servers.cluster import Cluster
from chaoslab.s3.bucket import open_bucket
from chaoslab.s3.place import Place

sys.path.insert(0, str(Path(__file__).parent / "support"))

QUICK = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "autovacuum": "off"}
NUMBERS = itertools.count(1)


def environment(monkeypatch, store, *, https=False):
    """Point the variables of Amazon's tools at a store, and at nothing else."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_CA_BUNDLE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    for name, value in store.environment(https=https).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")


@pytest.fixture
def bucket(object_store, monkeypatch):
    """A new, empty bucket; the environment leads to it."""
    environment(monkeypatch, object_store)
    return make_bucket()


@pytest.fixture
def bucket_https(object_store, monkeypatch):
    """The same over https with a certificate that signed itself."""
    environment(monkeypatch, object_store, https=True)
    return make_bucket()


def make_bucket():
    name = f"bucket-{next(NUMBERS)}"
    bucket = open_bucket(Place(name))
    bucket.client.create_bucket(Bucket=name)
    return bucket


@pytest.fixture(scope="session")
def server(binaries, passable_root):
    """A server with three databases of the lab's structure."""
    cluster = Cluster.create(passable_root / "backed-up", binaries, settings=QUICK)
    cluster.start()
    try:
        for name in ("shop_orders", "shop_users", "billing"):
            create_database(cluster.dsn(), name, 1)
        yield cluster
    finally:
        cluster.destroy()
