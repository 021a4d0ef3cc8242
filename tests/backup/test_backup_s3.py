"""`chaoslab backup --s3`: what is there is whole, what is deleted was superfluous, and bad days lose nothing."""

import datetime
import json

import pytest
from backup_runs import backup, finished, start, whole_sets
from fabricated import fabricate, remote_sets
from short_store import short_store

from chaoslab.backup.retention import Kept, Policy, superfluous
from chaoslab.lab.parts import becomes

pytestmark = pytest.mark.postgres
PATIENCE_S = 60


@pytest.fixture
def there(server, bucket, monkeypatch):
    """A bucket, and the options that lead to a prefix in it."""
    monkeypatch.setenv("CHAOSLAB_BACKUP_SOURCE", server.dsn())
    bucket.options = ["--s3", f"s3://{bucket.name}/pg", "--databases", "billing"]
    return bucket


def keys(bucket):
    return {found.key: found for found in bucket.objects()}


def test_a_set_is_there_whole_and_is_called_one_last(there, tmp_path, capsys):
    code, said = backup(capsys, "--to", tmp_path, *there.options)
    assert code == 0
    stamp = said["set"]["stamp"]
    assert said["uploaded"][0]["proofs"] == {"read back": 3}
    found = keys(there)
    assert {name.removeprefix(f"pg/{stamp}/") for name in found} == {p.name for p in (tmp_path / stamp).iterdir()}
    for path in (tmp_path / stamp).iterdir():
        assert there.read(f"pg/{stamp}/{path.name}") == path.read_bytes()
    assert found[f"pg/{stamp}/{said['set']['databases'][0]['dump']}"].storage_class == "STANDARD_IA"
    newest = max(found.values(), key=lambda one: one.modified_at)
    assert newest.key == f"pg/{stamp}/set.json"


def test_an_upload_that_is_silently_short(there, tmp_path, capsys, object_store):
    old = fabricate(tmp_path, datetime.date(2020, 1, 1), ["127.0.0.1/billing"])
    with short_store(object_store, ".dump") as url:
        code, said = backup(capsys, "--to", tmp_path, *there.options, "--s3-endpoint", url)
    assert code == 10
    assert "bytes of" in said["failures"][0]
    assert said["removed"] == {"local": [], "s3": []}
    assert [key for key in keys(there) if key.endswith(("set.json", ".dump"))] == []
    assert set(whole_sets(tmp_path)) == {old, said["set"]["stamp"]}
    assert said["not_uploaded"][0] == said["set"]["stamp"]
    assert backup(capsys, "--to", tmp_path, *there.options)[0] == 0
    assert said["set"]["stamp"] in remote_sets(there, "pg/")


def test_a_store_that_is_down_and_comes_back(there, tmp_path, capsys):
    code, said = backup(capsys, "--to", tmp_path, *there.options, "--s3-endpoint", "http://127.0.0.1:1")
    assert (code, said["not_uploaded"]) == (10, [said["set"]["stamp"]])
    code, again = backup(capsys, "--to", tmp_path, *there.options, "--no-dump")
    assert code == 0
    assert [one["stamp"] for one in again["uploaded"]] == [said["set"]["stamp"]]


def test_a_run_killed_while_it_sends(there, tmp_path, capsys):
    process = start("--to", tmp_path, *there.options)
    assert becomes(lambda: any(key.endswith("set.json.partial") for key in keys(there)), PATIENCE_S)
    process.kill()
    finished(process)
    (stamp,) = whole_sets(tmp_path)
    there.client.create_multipart_upload(Bucket=there.name, Key=f"pg/{stamp}/half.dump")
    there.client.create_multipart_upload(Bucket=there.name, Key="pg/another-tool/half")
    assert backup(capsys, "--to", tmp_path, *there.options, "--no-dump")[0] == 0
    assert remote_sets(there, "pg/") == [stamp]
    assert [half.key for half in there.half_uploads()] == ["pg/another-tool/half"]
    assert not [key for key in keys(there) if key.endswith(".partial")]


def test_a_store_that_dies_while_it_is_written(there, object_store, tmp_path, capsys):
    process = start("--to", tmp_path, *there.options)
    try:
        assert becomes(lambda: any(key.endswith("set.json.partial") for key in keys(there)), PATIENCE_S)
        object_store.stop_zone("a")
        code, _ = finished(process)
    finally:
        object_store.start_zone("a")
    (stamp,) = whole_sets(tmp_path)
    assert code in {0, 10}  # all of it may have arrived a moment before, and its answer be lost
    assert code == 10 or remote_sets(there, "pg/") == [stamp]
    assert backup(capsys, "--to", tmp_path, *there.options, "--no-dump")[0] == 0
    assert remote_sets(there, "pg/") == [stamp]


def test_retention_by_date_and_nothing_of_others(there, tmp_path, capsys):
    today = datetime.datetime.now(datetime.UTC).date()
    days = [today - datetime.timedelta(days=n) for n in (0, 6, 7, 8, 29, 30, 31, *range(60, 75), 91, 200, 366, 500)]
    stamps = {fabricate(tmp_path, day, ["s/shop"]) for day in days}
    foreign = [f"pg/{min(stamps)}/notes.txt", "pg/readme", "pg/20200101T000000Z/not-ours.dump", "other/x"]
    for key in foreign:
        there.put(key, b"not ours")
    arguments = ["--to", tmp_path, "--no-dump", *there.options]
    code, said = backup(capsys, *arguments, "--keep-daily", "1000d", "--keep-local", "1000d")
    assert (code, set(remote_sets(there, "pg/"))) == (0, stamps)
    code, dry = backup(capsys, *arguments, "--dry-run")
    code, said = backup(capsys, *arguments)
    gone = set(superfluous([Kept(stamp, frozenset({"s/shop"})) for stamp in stamps], Policy(), today))
    assert gone
    assert set(said["removed"]["s3"]) == set(dry["removed"]["s3"]) == gone
    assert set(remote_sets(there, "pg/")) == stamps - gone
    left = keys(there)
    assert all(key in left for key in foreign)
    assert {key.split("/")[1] for key in left if key.startswith("pg/2")} == stamps - gone | {
        "20200101T000000Z",
        min(stamps),
    }
    assert set(whole_sets(tmp_path)) == {one for one in stamps if one[:8] >= f"{today - datetime.timedelta(7):%Y%m%d}"}
    assert backup(capsys, *arguments)[1]["removed"] == {"local": [], "s3": []}


def test_no_right_to_delete(there, tmp_path, capsys):
    fabricate(tmp_path, datetime.date(2020, 1, 1), ["s/billing"])
    old = fabricate(tmp_path, datetime.date(2019, 1, 1), ["s/billing"])
    arguments = ["--to", tmp_path, "--no-dump", *there.options]
    assert backup(capsys, *arguments, "--keep-daily", "3650d", "--no-prune")[0] == 0
    deny = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Deny",
                "Principal": "*",
                "Action": ["s3:DeleteObject"],
                "Resource": [f"arn:aws:s3:::{there.name}/*"],
            }
        ],
    }
    there.client.put_bucket_policy(Bucket=there.name, Policy=json.dumps(deny))
    try:
        code, said = backup(capsys, *arguments)
        assert code == 10
        assert "denies it" in said["failures"][0]
        assert said["removed"]["local"] == []
        assert old in remote_sets(there, "pg/")
        # An append-only bucket is a good idea: without pruning, all is well there.
        code, said = backup(capsys, "--to", tmp_path, *there.options, "--no-prune")
        assert (code, said["failures"]) == (0, [])
    finally:
        there.client.delete_bucket_policy(Bucket=there.name)


def test_a_file_that_changed_on_the_disk_is_not_sent(there, tmp_path, capsys):
    stamp = fabricate(tmp_path, datetime.datetime.now(datetime.UTC).date(), ["s/billing"])
    next((tmp_path / stamp).glob("*.dump")).write_bytes(b"rotten")
    code, said = backup(capsys, "--to", tmp_path, "--no-dump", *there.options)
    assert code == 10
    assert "not any more what was dumped" in said["failures"][0]
    assert remote_sets(there, "pg/") == []


def test_two_stores_in_one_place(there, tmp_path, capsys):
    today = datetime.datetime.now(datetime.UTC).date()
    stamp = fabricate(tmp_path / "one", today, ["s/billing"])
    assert fabricate(tmp_path / "two", today, ["s/shop"]) == stamp
    assert backup(capsys, "--to", tmp_path / "one", "--no-dump", *there.options)[0] == 0
    before = {key: there.read(key) for key in keys(there)}
    code, said = backup(capsys, "--to", tmp_path / "two", "--no-dump", *there.options)
    assert (code, said["not_uploaded"]) == (10, [stamp])
    assert "a prefix of its own" in said["failures"][0]
    assert {key: there.read(key) for key in keys(there)} == before


def test_what_a_dead_run_left_elsewhere_goes_after_a_day(there, tmp_path, capsys):
    stamp = fabricate(tmp_path / "elsewhere", datetime.date(2026, 1, 1), ["s/billing"])
    text = (tmp_path / "elsewhere" / stamp / "set.json").read_bytes()
    there.put(f"pg/{stamp}/set.json.partial", text)
    there.put(f"pg/{stamp}/billing.dump", b"half")
    there.put(f"pg/{stamp}/of-somebody-else", b"x")
    fabricate(tmp_path / "here", datetime.datetime.now(datetime.UTC).date(), ["s/billing"])
    code, said = backup(capsys, "--to", tmp_path / "here", "--no-dump", *there.options)
    assert code == 0
    assert any(stamp in line for line in said["cleared"])
    assert [key for key in keys(there) if stamp in key] == [f"pg/{stamp}/of-somebody-else"]
