"""Send a file to an object store, in parts when it is large, and prove that what the store holds is the file.

Each part goes with its MD5 and SHA-256, and the store's answer is compared. Afterwards the whole is proved: by the
checksum that the store itself keeps, or, where it keeps none, by reading everything back. What fails is deleted.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from chaoslab.s3.bucket import Bucket, Found
from chaoslab.s3.errors import Corrupted, S3Failed, told
from chaoslab.s3.parts import Digests, Part, Slice, digests_of, parts_of

PART_BYTES = 16 << 20
DIGEST = "sha256"
"""The name under which an object carries the SHA-256 of its file."""


@dataclass(frozen=True, slots=True)
class Sending:
    """How files are sent."""

    storage_class: str = "STANDARD_IA"
    part_bytes: int = PART_BYTES
    pool: ThreadPoolExecutor | None = None
    """Who sends parts at the same time; without one, they go one after the other."""
    watch: Callable[[], None] = field(default=lambda: None)
    """Called before each part; what it raises stops the upload."""
    sent: Callable[[int], None] = field(default=lambda _: None)
    """Called with the bytes of each part that has arrived."""


@dataclass(frozen=True, slots=True)
class Proof:
    """How it is known that the store holds the file."""

    bytes: int
    by: Literal["checksum", "read back"]


def send_file(bucket: Bucket, path: Path, key: str, sha256: str, how: Sending) -> Proof:
    """Send a file and prove that it arrived; nothing is sent when the store holds it already, from an earlier try.

    Args:
        bucket: where to
        path: the file
        key: its name there
        sha256: what its content must be, in hexadecimal
        how: storage class, parallelism, who watches

    Raises:
        Corrupted: the store holds something else than the file; it is deleted there if that is allowed.
        S3Failed: the store does not answer, or denies it; an upload that was begun is aborted.
    """
    size = path.stat().st_size
    there = bucket.head(key)
    if there is not None and there.bytes == size and dict(there.metadata).get(DIGEST) == sha256:
        try:
            return prove(bucket, path, key, sha256, how)
        except Corrupted:
            pass  # it is sent anew, over what is there
    if size <= how.part_bytes:
        _send_whole(bucket, path, key, sha256, how)
    else:
        _send_parts(bucket, path, key, sha256, how)
    try:
        return prove(bucket, path, key, sha256, how)
    except Corrupted as wrong:
        raise Corrupted(f"{wrong}{_deleted(bucket, key)}", wrong.code) from None


def prove(bucket: Bucket, path: Path, key: str, sha256: str, how: Sending) -> Proof:
    """Prove that an object is a file: by the store's checksum, else by reading it back.

    Raises:
        Corrupted: it is not.
        S3Failed: the store does not answer, or denies it.
    """
    size, found = path.stat().st_size, bucket.head(key)
    if found is None:
        raise Corrupted(f"{bucket.where(key)} is not there after its upload", "upload-missing")
    if found.bytes != size:
        raise Corrupted(f"{bucket.where(key)} holds {found.bytes} bytes of {size}", "upload-short")
    how.watch()
    if found.sha256:
        if found.sha256 != _expected(path, found, how.part_bytes, sha256):
            raise Corrupted(f"{bucket.where(key)} is not what was sent: its checksum differs", "upload-differs")
        return Proof(size, "checksum")
    read, digest = 0, hashlib.sha256()
    for chunk in bucket.chunks(key):
        digest.update(chunk)
        read += len(chunk)
        how.watch()
    if read != size:
        raise Corrupted(f"{bucket.where(key)} gives back {read} bytes of {size}", "upload-short")
    if digest.hexdigest() != sha256:
        raise Corrupted(f"{bucket.where(key)} is not what was sent: its checksum differs", "upload-differs")
    return Proof(size, "read back")


def _expected(path: Path, found: Found, part_bytes: int, sha256: str) -> str:
    """Return the checksum that the store must have: that of the whole, or that of the checksums of its parts."""
    if "-" not in found.sha256:
        return base64.b64encode(bytes.fromhex(sha256)).decode()
    all_parts = parts_of(found.bytes, part_bytes)
    joined = b"".join(digests_of(path, part).sha256 for part in all_parts)
    return f"{base64.b64encode(hashlib.sha256(joined).digest()).decode()}-{len(all_parts)}"


def _send_whole(bucket: Bucket, path: Path, key: str, sha256: str, how: Sending) -> None:
    part = Part(1, 0, path.stat().st_size)
    digests = digests_of(path, part)
    how.watch()
    with told(f"writing {bucket.where(key)}"), Slice(path, part.begin, part.bytes) as body:
        said = bucket.client.put_object(
            Bucket=bucket.name,
            Key=key,
            Body=body,
            ContentLength=part.bytes,
            StorageClass=how.storage_class,
            Metadata={DIGEST: sha256},
            **_checks(digests),
        )
    _compare(bucket, key, digests, said)
    how.sent(part.bytes)


def _send_parts(bucket: Bucket, path: Path, key: str, sha256: str, how: Sending) -> None:
    where = f"writing {bucket.where(key)}"
    with told(where):
        upload = bucket.client.create_multipart_upload(
            Bucket=bucket.name,
            Key=key,
            StorageClass=how.storage_class,
            Metadata={DIGEST: sha256},
            ChecksumAlgorithm="SHA256",
        )["UploadId"]
    try:
        sent = _each(
            parts_of(path.stat().st_size, how.part_bytes), how, lambda p: _send_part(bucket, path, key, upload, p)
        )
        with told(where):
            parts = {"Parts": sent}
            bucket.client.complete_multipart_upload(Bucket=bucket.name, Key=key, UploadId=upload, MultipartUpload=parts)
    except BaseException as broken:
        # Completed, but the answer was lost on its way: asked again, the store knows no such upload any more.
        if isinstance(broken, S3Failed) and broken.code == "NoSuchUpload" and bucket.head(key) is not None:
            return
        _abort(bucket, key, upload, broken)
        raise


def _each(parts: list[Part], how: Sending, send: Callable[[Part], dict[str, Any]]) -> list[dict[str, Any]]:
    def one(part: Part) -> dict[str, Any]:
        how.watch()
        said = send(part)
        how.sent(part.bytes)
        return said

    if how.pool is None:
        return [one(part) for part in parts]
    waiting: list[Future[dict[str, Any]]] = [how.pool.submit(one, part) for part in parts]
    try:
        return [future.result() for future in waiting]
    except BaseException:
        for future in waiting:
            future.cancel()
        # What is still on its way would arrive after the upload was aborted, and stay.
        for future in waiting:
            if not future.cancelled():
                future.exception()
        raise


def _send_part(bucket: Bucket, path: Path, key: str, upload: str, part: Part) -> dict[str, Any]:
    digests = digests_of(path, part)
    with told(f"writing part {part.number} of {bucket.where(key)}"), Slice(path, part.begin, part.bytes) as body:
        said = bucket.client.upload_part(
            Bucket=bucket.name,
            Key=key,
            UploadId=upload,
            PartNumber=part.number,
            Body=body,
            ContentLength=part.bytes,
            **_checks(digests),
        )
    _compare(bucket, key, digests, said)
    checked = {"ChecksumSHA256": said["ChecksumSHA256"]} if said.get("ChecksumSHA256") else {}
    return {"PartNumber": part.number, "ETag": said["ETag"], **checked}


def _checks(digests: Digests) -> dict[str, str]:
    return {
        "ContentMD5": base64.b64encode(digests.md5).decode(),
        "ChecksumSHA256": base64.b64encode(digests.sha256).decode(),
    }


def _compare(bucket: Bucket, key: str, digests: Digests, said: dict[str, Any]) -> None:
    """Compare what the store says of a part with what was sent; encrypted with a key of one's own, it says no MD5."""
    theirs, etag = said.get("ChecksumSHA256", ""), str(said.get("ETag", "")).strip('"')
    opaque = said.get("ServerSideEncryption", "AES256") != "AES256" or "SSECustomerAlgorithm" in said
    wrong = theirs != base64.b64encode(digests.sha256).decode() if theirs else not opaque and etag != digests.md5.hex()
    if wrong:
        raise Corrupted(f"{bucket.where(key)}: the store received something else than was sent", "upload-differs")


def _abort(bucket: Bucket, key: str, upload: str, broken: BaseException) -> None:
    try:
        with told(f"aborting the upload of {bucket.where(key)}"):
            bucket.client.abort_multipart_upload(Bucket=bucket.name, Key=key, UploadId=upload)
    except S3Failed as left:
        broken.add_note(str(left))  # the next run aborts it


def _deleted(bucket: Bucket, key: str) -> str:
    try:
        bucket.delete([key])
    except S3Failed as denied:
        return f"; it cannot be deleted either: {denied}"
    return "; it was deleted there"
