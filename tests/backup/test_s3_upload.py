"""A file that is sent to a real object store is there whole, or it is not there."""

import base64
import dataclasses
import functools
import hashlib
import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from chaoslab.s3.errors import Corrupted, S3Failed
from chaoslab.s3.upload import DIGEST, Sending, prove, send_file

PART = 5 << 20
"""The smallest part that stores take."""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(os.urandom(2 * PART + 12345))
    return path


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def send(bucket, path, key="x/file", **how):
    return send_file(bucket, path, key, digest(path), Sending(part_bytes=PART, **how))


@pytest.mark.parametrize("which", ["bucket", "bucket_https"])
def test_a_large_file_arrives_in_parts(which, request, file):
    bucket = request.getfixturevalue(which)
    sent = []
    with ThreadPoolExecutor(3) as pool:
        proof = send(bucket, file, pool=pool, sent=sent.append)
    assert (proof.bytes, proof.by) == (file.stat().st_size, "read back")  # this store keeps no checksums
    assert sorted(sent) == [12345, PART, PART]
    found = bucket.head("x/file")
    assert (found.storage_class, dict(found.metadata)) == ("STANDARD_IA", {DIGEST: digest(file)})
    assert b"".join(bucket.chunks("x/file")) == file.read_bytes()


@pytest.mark.parametrize("which", ["bucket", "bucket_https"])
@pytest.mark.parametrize("content", [b"", b"small"])
def test_a_small_file_arrives_at_once(which, content, request, tmp_path):
    bucket, path = request.getfixturevalue(which), tmp_path / "small"
    path.write_bytes(content)
    assert send(bucket, path).bytes == len(content)
    assert bucket.read("x/file") == content
    bucket.delete(["x/file", "x/never there"])
    assert bucket.head("x/file") is None


def test_what_is_there_from_an_earlier_try_is_proved_and_not_sent_again(bucket, file):
    send(bucket, file)
    sent = []
    assert send(bucket, file, sent=sent.append).by == "read back"
    assert sent == []


def test_what_is_there_but_damaged_is_sent_again(bucket, file):
    bad = bytearray(file.read_bytes())
    bad[7] ^= 1
    bucket.client.put_object(Bucket=bucket.name, Key="x/file", Body=bytes(bad), Metadata={DIGEST: digest(file)})
    send(bucket, file)
    assert b"".join(bucket.chunks("x/file")) == file.read_bytes()


@pytest.mark.parametrize(
    ("harm", "code"), [(lambda whole: whole[:-1], "upload-short"), (lambda whole: b"?" + whole[1:], "upload-differs")]
)
def test_an_object_that_is_not_the_file_is_found_and_deleted(bucket, tmp_path, harm, code):
    path = tmp_path / "small"
    path.write_bytes(os.urandom(1000))

    def tamper(_):
        bucket.client.put_object(Bucket=bucket.name, Key="x/file", Body=harm(path.read_bytes()))

    with pytest.raises(Corrupted, match="it was deleted there") as caught:
        send(bucket, path, sent=tamper)
    assert caught.value.code == code
    assert bucket.head("x/file") is None


def checksum_of_parts(content, size):
    """The checksum that Amazon's store keeps of an object sent in parts: that of the parts' checksums, and how many."""
    parts = [hashlib.sha256(content[begin : begin + size]).digest() for begin in range(0, len(content), size)]
    return f"{base64.b64encode(hashlib.sha256(b''.join(parts)).digest()).decode()}-{len(parts)}"


@pytest.mark.parametrize("right", [True, False])
@pytest.mark.parametrize("in_parts", [True, False])
def test_a_checksum_that_the_store_keeps_saves_reading_back(bucket, file, monkeypatch, right, in_parts):
    send(bucket, file)
    content, head = file.read_bytes() + (b"" if right else b"x"), bucket.head
    kept = checksum_of_parts(content, PART) if in_parts else base64.b64encode(hashlib.sha256(content).digest()).decode()
    # This store keeps none; what follows is what it would say if it did.
    monkeypatch.setattr(bucket, "head", lambda key: dataclasses.replace(head(key), sha256=kept))
    monkeypatch.setattr(bucket, "chunks", lambda _: pytest.fail("it was read back"))
    prove_it = functools.partial(prove, bucket, file, "x/file", digest(file), Sending(part_bytes=PART))
    if right:
        assert prove_it().by == "checksum"
    else:
        with pytest.raises(Corrupted, match="its checksum differs"):
            prove_it()


@pytest.mark.parametrize("pooled", [False, True])
def test_an_upload_that_is_stopped_leaves_nothing(bucket, file, pooled):
    def stop(_):
        raise KeyboardInterrupt

    with ThreadPoolExecutor(2) as pool, pytest.raises(KeyboardInterrupt):
        send(bucket, file, pool=pool if pooled else None, sent=stop)
    assert bucket.half_uploads() == []
    assert list(bucket.objects()) == []


def test_a_half_upload_can_be_found_and_aborted(bucket):
    for key in ("ours/one", "theirs/two"):
        bucket.client.create_multipart_upload(Bucket=bucket.name, Key=key)
    (half,) = bucket.half_uploads("ours/")
    assert half.key == "ours/one"
    bucket.abort(half)
    bucket.abort(half)
    assert [half.key for half in bucket.half_uploads()] == ["theirs/two"]


def test_folders_and_listings(bucket):
    for key in ("p/b/1", "p/a/1", "p/a/2", "p/file", "q/c/1"):
        bucket.put(key, b"x")
    assert bucket.folders("p/") == ["a", "b"]
    assert [found.key for found in bucket.objects("p/a/")] == ["p/a/1", "p/a/2"]
    with pytest.raises(S3Failed):
        bucket.put("p/file", b"y", only_if_absent=True)
    assert bucket.read("p/file") == b"x"
    bucket.put("p/file", b"xyz")
    with pytest.raises(S3Failed, match="larger than 1 bytes"):
        bucket.read("p/file", limit_bytes=1)
