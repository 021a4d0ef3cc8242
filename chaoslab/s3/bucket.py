"""One bucket of an object store: list, look, read, write, delete, each with a deadline and errors of one line."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chaoslab.s3.errors import S3Failed, load_boto3, told
from chaoslab.s3.place import Place

CONNECT_S = 10
READ_S = 60
ATTEMPTS = 4
CONNECTIONS = 16
"""Kept open at most; so many threads can work with one bucket at the same time."""
CHUNK = 1 << 20
_DELETE_AT_ONCE = 1000
_REGION = "us-east-1"
"""Stores other than Amazon's want some region to be named, whichever."""


@dataclass(frozen=True, slots=True)
class Found:
    """An object, as the store describes it."""

    key: str
    bytes: int
    modified_at: datetime
    etag: str
    """Without quotes; the MD5 of a whole object, something else for one that was sent in parts."""
    storage_class: str = "STANDARD"
    sha256: str = ""
    """The store's own checksum (base64; with `-N` that of N parts); '' where it keeps none, or in a listing."""
    metadata: tuple[tuple[str, str], ...] = ()
    encryption: str = ""
    """`AES256`, `aws:kms` ...; '' where it does not say, or in a listing."""


@dataclass(frozen=True, slots=True)
class HalfUpload:
    """An upload in parts that was not completed. It costs, and no listing of objects shows it."""

    key: str
    id: str
    begun_at: datetime


class Bucket:
    """A bucket that can be talked to, from several threads at once."""

    def __init__(self, client: Any, name: str) -> None:
        """Take boto3's client."""
        self.client = client
        self.name = name

    def where(self, key: str = "") -> str:
        """Return what people call an object."""
        return f"s3://{self.name}/{key}"

    def check(self) -> None:
        """Find out whether the bucket is there for us.

        Raises:
            S3Failed: it is not.
        """
        with told(self.where()):
            self.client.list_objects_v2(Bucket=self.name, MaxKeys=1)

    def objects(self, prefix: str = "") -> Iterator[Found]:
        """Yield the objects whose keys begin with a prefix, in the order of their keys.

        Raises:
            S3Failed: the store does not answer, or denies it.
        """
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix)
        with told(f"listing {self.where(prefix)}"):
            for page in pages:
                for entry in page.get("Contents", ()):
                    size, at = int(entry["Size"]), entry["LastModified"]
                    yield Found(entry["Key"], size, at, _bare(entry), entry.get("StorageClass", "STANDARD"))

    def folders(self, prefix: str = "") -> list[str]:
        """Return what stands between a prefix and the next slash, without listing what is below.

        Raises:
            S3Failed: the store does not answer, or denies it.
        """
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix, Delimiter="/")
        with told(f"listing {self.where(prefix)}"):
            return [entry["Prefix"][len(prefix) : -1] for page in pages for entry in page.get("CommonPrefixes", ())]

    def head(self, key: str) -> Found | None:
        """Return what the store knows about an object; None when it is not there.

        Raises:
            S3Failed: the store does not answer, or denies it.
        """
        try:
            with told(f"looking at {self.where(key)}"):
                said = self.client.head_object(Bucket=self.name, Key=key, ChecksumMode="ENABLED")
        except S3Failed as failed:
            if failed.is_absent:
                return None
            raise
        return Found(
            key,
            int(said["ContentLength"]),
            said["LastModified"],
            _bare(said),
            said.get("StorageClass", "STANDARD"),
            said.get("ChecksumSHA256", ""),
            tuple(sorted(said.get("Metadata", {}).items())),
            said.get("ServerSideEncryption", ""),
        )

    def read(self, key: str, limit_bytes: int = 64 << 20) -> bytes:
        """Return what an object holds.

        Args:
            key: which one
            limit_bytes: more than this is refused

        Raises:
            S3Failed: it is not there, too large, or cannot be read.
        """
        with told(f"reading {self.where(key)}"):
            body = self.client.get_object(Bucket=self.name, Key=key)["Body"]
            try:
                content = bytes(body.read(limit_bytes + 1))
            finally:
                body.close()
        if len(content) > limit_bytes:
            raise S3Failed(f"{self.where(key)} is larger than {limit_bytes} bytes")
        return content

    def chunks(self, key: str) -> Iterator[bytes]:
        """Yield what an object holds, piece by piece.

        Raises:
            S3Failed: it is not there, or cannot be read to its end.
        """
        with told(f"reading {self.where(key)}"):
            body = self.client.get_object(Bucket=self.name, Key=key)["Body"]
            try:
                yield from body.iter_chunks(CHUNK)
            finally:
                body.close()

    def put(self, key: str, content: bytes, *, only_if_absent: bool = False) -> None:
        """Write a small object at once, with its checksums.

        Raises:
            S3Failed: the store did not take it; with `only_if_absent` also when it is there already.
        """
        with told(f"writing {self.where(key)}"):
            self.client.put_object(
                Bucket=self.name,
                Key=key,
                Body=content,
                ContentMD5=base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode(),
                ChecksumSHA256=base64.b64encode(hashlib.sha256(content).digest()).decode(),
                **({"IfNoneMatch": "*"} if only_if_absent else {}),
            )

    def delete(self, keys: Iterable[str]) -> None:
        """Delete objects. Those that are not there are no error.

        Raises:
            S3Failed: one of them could not be deleted; the others are.
        """
        wanted = list(keys)
        for begin in range(0, len(wanted), _DELETE_AT_ONCE):
            some = [{"Key": key} for key in wanted[begin : begin + _DELETE_AT_ONCE]]
            with told(f"deleting from {self.where()}"):
                said = self.client.delete_objects(Bucket=self.name, Delete={"Objects": some, "Quiet": True})
            for error in said.get("Errors", ()):
                code = str(error.get("Code", ""))
                why = "the store denies it" if code == "AccessDenied" else f"the store answers {code}"
                raise S3Failed(f"deleting {self.where(error.get('Key', ''))}: {why}", code)

    def half_uploads(self, prefix: str = "") -> list[HalfUpload]:
        """Return the uploads below a prefix that somebody began and nobody completed.

        Raises:
            S3Failed: the store does not answer, or denies it.
        """
        pages = self.client.get_paginator("list_multipart_uploads").paginate(Bucket=self.name, Prefix=prefix)
        with told(f"listing the half uploads of {self.where(prefix)}"):
            return [
                HalfUpload(entry["Key"], entry["UploadId"], entry["Initiated"])
                for page in pages
                for entry in page.get("Uploads", ())
            ]

    def abort(self, half: HalfUpload) -> None:
        """Give up an upload in parts. Harmless when it is gone.

        Raises:
            S3Failed: the store does not answer, or denies it.
        """
        try:
            with told(f"aborting the upload of {self.where(half.key)}"):
                self.client.abort_multipart_upload(Bucket=self.name, Key=half.key, UploadId=half.id)
        except S3Failed as failed:
            if failed.code != "NoSuchUpload":
                raise


def open_bucket(place: Place, *, endpoint: str = "") -> Bucket:
    """Return a bucket, with credentials found as every tool of Amazon's finds them. Nothing is asked of the store yet.

    Args:
        place: where it is
        endpoint: URL of a store other than Amazon's; without one, AWS_ENDPOINT_URL_S3 counts

    Raises:
        Missing: boto3 is not installed.
        S3Failed: the configuration makes no sense.
    """
    boto3 = load_boto3()
    from botocore.config import Config

    config = Config(  # type: ignore[no-untyped-call]
        connect_timeout=CONNECT_S,
        read_timeout=READ_S,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        max_pool_connections=CONNECTIONS,
        # We send checksums of our own; those that boto3 adds by itself older stores do not understand.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    with told(str(place)):
        try:
            session = boto3.session.Session()
            region = session.region_name or _REGION
            client = session.client("s3", config=config, region_name=region, endpoint_url=endpoint or None)
        except ValueError as senseless:
            raise S3Failed(
                f"the endpoint {endpoint or os.environ.get('AWS_ENDPOINT_URL_S3', '')!r}: {senseless}"
            ) from None
    return Bucket(client, place.bucket)


def _bare(said: dict[str, Any]) -> str:
    return str(said.get("ETag", "")).strip('"')
