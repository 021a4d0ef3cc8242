"""A prefix of a bucket as a place where backups lie."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from chaoslab.backup.freshness.evidence import Entry
from chaoslab.backup.freshness.places import Listing, PlaceAbsent, PlaceUnreadable
from chaoslab.core.errors import Missing
from chaoslab.s3.bucket import Bucket, Found, open_bucket
from chaoslab.s3.errors import S3Failed, told
from chaoslab.s3.place import Place as Where
from chaoslab.s3.place import parse_place

LISTERS = 8
"""Ranges of keys that are listed at the same time: a page holds 1000 keys and takes a round trip."""


def object_place(address: str, endpoint: str = "") -> ObjectPlace:
    """Return the place at `s3://bucket/prefix`; nothing is asked of the store yet.

    Raises:
        BadUsage: it is no such address.
    """
    return ObjectPlace(parse_place(address), endpoint)


class ObjectPlace:
    """A prefix of a bucket."""

    remote = True

    def __init__(self, where: Where, endpoint: str = "", *, page_keys: int = 1000) -> None:
        """Take bucket and prefix, and how many keys are asked for at once; no store gives more than 1000."""
        self.where = where
        self._page_keys = page_keys
        self._endpoint = endpoint
        self._bucket: Bucket | None = None

    @property
    def label(self) -> str:
        """Its address."""
        return str(self.where)

    @property
    def bucket(self) -> Bucket:
        """The bucket.

        Raises:
            PlaceUnreadable: boto3 is not installed, or the endpoint makes no sense.
        """
        if self._bucket is None:
            try:
                self._bucket = open_bucket(self.where, endpoint=self._endpoint)
            except (S3Failed, Missing) as broken:
                raise PlaceUnreadable(str(broken)) from None
        return self._bucket

    def listing(self) -> Listing:
        """Return all objects below the prefix.

        Raises:
            PlaceAbsent: there is no such bucket.
            PlaceUnreadable: the store does not answer, or denies it.
        """
        try:
            found = self._list()
        except S3Failed as failed:
            kind = PlaceAbsent if failed.code == "NoSuchBucket" else PlaceUnreadable
            raise kind(str(failed)) from None
        return Listing([entry for entry in found if not entry.name.endswith("/")])

    def _list(self) -> list[Entry]:
        """List the first page; if there are more, the rest in several ranges of keys at once."""
        first, complete = self._page(self.where.prefix, after="")
        if complete or not first:
            return first
        last = self.where.key(first[-1].name)
        folders = [self.where.key(f"{name}/") for name in sorted(self.bucket.folders(self.where.prefix))]
        ahead = [key for key in folders if key > last]
        every = max(1, len(ahead) // LISTERS)
        starts = [last, *ahead[every::every]]
        with ThreadPoolExecutor(LISTERS, thread_name_prefix="listing") as pool:
            ranges = pool.map(self._range, starts, [*starts[1:], ""])
            return first + [entry for entries in ranges for entry in entries]

    def _range(self, after: str, until: str) -> list[Entry]:
        """List the objects behind one key, up to another."""
        found: list[Entry] = []
        while True:
            entries, complete = self._page(self.where.prefix, after=after)
            inside = [entry for entry in entries if not until or self.where.key(entry.name) <= until]
            found += inside
            if complete or len(inside) < len(entries) or not entries:
                return found
            after = self.where.key(entries[-1].name)

    def _page(self, prefix: str, *, after: str) -> tuple[list[Entry], bool]:
        more: dict[str, Any] = {"StartAfter": after} if after else {}
        more["MaxKeys"] = self._page_keys
        with told(f"listing {self.where}"):
            said = self.bucket.client.list_objects_v2(Bucket=self.bucket.name, Prefix=prefix, **more)
            entries = [self._entry(one) for one in said.get("Contents", ())]
        return entries, not said.get("IsTruncated")

    def _entry(self, one: dict[str, Any]) -> Entry:
        name = one["Key"][len(self.where.prefix) :]
        return Entry(name, int(one["Size"]), one["LastModified"].timestamp(), one.get("StorageClass", "STANDARD"))

    def read(self, name: str, *, first: int | None = None, last: int | None = None) -> bytes:
        """Return an object, or its first or last so many bytes.

        Raises:
            PlaceUnreadable: it cannot be read.
        """
        key = self.where.key(name)
        part = {} if first is None and last is None else {"Range": f"bytes=-{last}" if last else f"bytes=0-{first - 1}"}  # type: ignore[operator]
        try:
            with told(f"reading {self.bucket.where(key)}"):
                body = self.bucket.client.get_object(Bucket=self.bucket.name, Key=key, **part)["Body"]
                try:
                    return bytes(body.read())
                finally:
                    body.close()
        except S3Failed as failed:
            if failed.code in {"InvalidRange", "416"}:
                return b""  # an empty object has no first byte
            raise PlaceUnreadable(str(failed)) from None

    def chunks(self, name: str) -> Iterator[bytes]:
        """Yield an object piece by piece.

        Raises:
            PlaceUnreadable: it cannot be read.
        """
        try:
            yield from self.bucket.chunks(self.where.key(name))
        except S3Failed as failed:
            raise PlaceUnreadable(str(failed)) from None

    def head(self, name: str) -> Found | None:
        """Return what the store says of an object; None when it is gone.

        Raises:
            PlaceUnreadable: it does not say.
        """
        try:
            return self.bucket.head(self.where.key(name))
        except S3Failed as failed:
            raise PlaceUnreadable(str(failed)) from None
