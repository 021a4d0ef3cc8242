"""What goes wrong with an object store is told in one line, at once, and says what to do."""

import pytest

from chaoslab.core.errors import BadUsage
from chaoslab.s3.bucket import open_bucket
from chaoslab.s3.errors import S3Failed
from chaoslab.s3.place import Place, parse_place


def refused(place, **options):
    with pytest.raises(S3Failed) as caught:
        open_bucket(place, **options).check()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_bucket_that_is_not_there(bucket):
    assert "no such bucket" in refused(Place("never-made"))


def test_wrong_secret(bucket, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary-of-a-secret")
    said = refused(Place(bucket.name))
    assert "AWS_SECRET_ACCESS_KEY" in said
    assert "canary" not in said


def test_unknown_key(bucket, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    assert "AWS_ACCESS_KEY_ID" in refused(Place(bucket.name))


def test_no_credentials_at_all(bucket, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert "no credentials found" in refused(Place(bucket.name))


def test_somebody_elses_bucket(bucket, object_store, monkeypatch):
    for name, value in object_store.add_user("stranger").items():
        monkeypatch.setenv(name, value)
    assert "denies it" in refused(Place(bucket.name))


def test_a_store_that_is_down(bucket):
    assert "127.0.0.1:1" in refused(Place(bucket.name), endpoint="http://127.0.0.1:1")


def test_a_certificate_that_nobody_vouches_for(bucket_https, monkeypatch):
    monkeypatch.delenv("AWS_CA_BUNDLE")
    assert "AWS_CA_BUNDLE" in refused(Place(bucket_https.name))


def test_an_endpoint_that_is_none(bucket):
    assert "endpoint" in refused(Place(bucket.name), endpoint="not a url")


@pytest.mark.parametrize("text", ["", "bucket/prefix", "s3://", "s3:///prefix", "s3://UPPER/x", "https://bucket/x"])
def test_what_is_no_place(text):
    with pytest.raises(BadUsage, match="s3://BUCKET/PREFIX"):
        parse_place(text)


@pytest.mark.parametrize(
    ("text", "prefix"),
    [("s3://bucket", ""), ("s3://bucket/", ""), ("s3://bucket/a//b/", "a/b/"), ("s3://bucket/a", "a/")],
)
def test_places(text, prefix):
    assert parse_place(text) == Place("bucket", prefix)
    assert str(parse_place(text)) == f"s3://bucket/{prefix}"
