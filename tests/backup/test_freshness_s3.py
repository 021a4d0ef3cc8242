"""The nightly look at a real object store."""

from datetime import timedelta

import pytest
from nights import look, now, plain_dump, store

from chaoslab.backup.freshness.objects import ObjectPlace
from chaoslab.s3.place import parse_place

CLASS = {"StorageClass": "STANDARD_IA"}


@pytest.fixture
def uploaded(bucket, tmp_path):
    """Eight nights of `chaoslab backup`, below a prefix."""
    upload(bucket, store(tmp_path / "store"), "nightly/", **CLASS)
    return bucket, f"s3://{bucket.name}/nightly"


def upload(bucket, folder, prefix="", **options):
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            key = prefix + path.relative_to(folder).as_posix()
            bucket.client.put_object(Bucket=bucket.name, Key=key, Body=path.read_bytes(), **options)


def keys(bucket, part):
    return [one.key for one in bucket.objects() if part in one.key]


def test_a_store_that_is_well_passes_and_its_newest_are_read(tmp_path, uploaded):
    _, address = uploaded
    looked = look(tmp_path, stores=address, storage_class="STANDARD_IA")
    assert looked.outcome == "passed", looked
    assert looked.record.figures["read_bytes"]["value"] == 40_000
    assert "versioning none" in looked.message("place-protection")


def test_the_wrong_storage_class(tmp_path, uploaded):
    bucket, address = uploaded
    key = keys(bucket, "/shop-")[-2]
    bucket.client.put_object(Bucket=bucket.name, Key=key, Body=bucket.read(key))
    looked = look(tmp_path, stores=address, storage_class="STANDARD_IA")
    assert looked.codes() == {"storage-class-differs"}, looked


def test_a_set_without_its_last_file_is_unfinished(tmp_path, uploaded):
    bucket, address = uploaded
    bucket.delete([keys(bucket, "set.json")[-1]])
    looked = look(tmp_path, stores=address)
    assert "backup-unfinished" in looked.codes("note"), looked
    bucket.delete(keys(bucket, "set.json"))
    assert look(tmp_path, stores=address).codes() == {"backup-absent"}


def test_an_object_that_was_silently_short(tmp_path, uploaded):
    bucket, address = uploaded
    [*_, key] = [key for key in keys(bucket, "/users-") if key.endswith(".dump")]
    bucket.put(key, bucket.read(key)[:10_000])
    assert look(tmp_path, stores=address).codes() == {"backup-truncated"}


def test_an_object_whose_bytes_differ(tmp_path, uploaded):
    bucket, address = uploaded
    [*_, key] = [key for key in keys(bucket, "/users-") if key.endswith(".dump")]
    bucket.put(key, bucket.read(key).replace(b"xxxx", b"xxyx", 1))
    assert look(tmp_path, stores=address).codes() == {"backup-checksum-differs"}


def test_encryption_that_is_required(tmp_path, uploaded):
    _, address = uploaded
    looked = look(tmp_path, stores=address, encrypted="yes")
    assert looked.codes() == {"backup-unencrypted"}, looked


def test_versions_and_locks_that_are_required(tmp_path, uploaded):
    bucket, address = uploaded
    looked = look(tmp_path, stores=address, versioned="yes", locked="yes")
    assert looked.codes() == {"bucket-not-versioned", "bucket-not-locked"}, looked
    bucket.client.put_bucket_versioning(Bucket=bucket.name, VersioningConfiguration={"Status": "Enabled"})
    assert look(tmp_path, stores=address, versioned="yes").outcome == "passed"


def test_a_bucket_with_a_lock(tmp_path, bucket):
    name = f"{bucket.name}-locked"
    bucket.client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    rule = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 30}}}
    bucket.client.put_object_lock_configuration(Bucket=name, ObjectLockConfiguration=rule)
    at = now() - timedelta(hours=1)
    path = plain_dump(tmp_path / f"shop_{at:%Y%m%dT%H%M%SZ}.sql")
    bucket.client.upload_file(str(path), name, path.name)
    looked = look(tmp_path, dumps=f"s3://{name}", versioned="yes", locked="yes")
    assert looked.outcome == "passed", looked
    assert "COMPLIANCE 30 days" in looked.message("place-protection")


def test_dumps_of_a_script_in_a_bucket(tmp_path, bucket):
    at = now() - timedelta(hours=1)
    path = plain_dump(tmp_path / f"{at:%Y-%m-%d}/shop_{at:%H%M%S}.sql")
    bucket.put("dumps/2020-01-01/readme.txt", b"hello")
    bucket.put(f"dumps/{at:%Y-%m-%d}/shop_{at:%Y%m%d-%H%M}.sql", path.read_bytes()[:-50])
    looked = look(tmp_path, dumps=f"s3://{bucket.name}/dumps", keep_remote="")
    assert looked.codes() == {"backup-truncated"}, looked


def test_a_bucket_that_is_not_there(tmp_path, bucket):
    looked = look(tmp_path, stores=f"s3://{bucket.name}-nowhere/x")
    assert (looked.outcome, looked.codes()) == ("failed", {"backup-place-absent"}), looked


def test_a_store_that_is_down_or_denies_it_is_unknown_and_the_others_are_judged(tmp_path, uploaded, monkeypatch):
    _, address = uploaded
    local = store(tmp_path / "local", ages_days=range(3, 6))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    looked = look(tmp_path, stores=address)
    assert (looked.outcome, looked.exit_code) == ("inconclusive", 11), looked
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    looked = look(tmp_path, stores=f"{local};{address}", endpoint="http://127.0.0.1:1")
    assert looked.outcome == "failed", looked
    assert looked.codes() == {"backup-too-old"}
    assert "backup-place-unreadable" in looked.codes("unknown")


def test_more_keys_than_a_page_are_listed_in_ranges(bucket):
    names = [f"{night:04}/{name}.dump" for night in range(30) for name in "abcd"] + ["0010", "0010.dump", "top"]
    for name in names:
        bucket.put(f"deep/{name}", b"x")
    for page_keys in (1, 7, 50, 1000):
        place = ObjectPlace(parse_place(f"s3://{bucket.name}/deep"), page_keys=page_keys)
        listed = [entry.name for entry in place.listing().entries]
        assert sorted(listed) == sorted(names), page_keys
