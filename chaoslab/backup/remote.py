"""Backup sets in an object store. A set is there when its `set.json` is; it is sent last, and deleted first.

PREFIX/20261121T020000Z/set.json            a set: it lists all of its files
PREFIX/20261121T020000Z/set.json.partial    the same list while the set is sent or deleted: what is cut off in between
                                            can be told from what others have put there, and taken up again

Objects that no list of ours names are never touched.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from chaoslab.backup.sets import SET, BackupSet, BadSet, parse_set
from chaoslab.backup.stamp import instant_of, is_stamp
from chaoslab.backup.store import PARTIAL, Listing
from chaoslab.core.errors import ChaoslabError
from chaoslab.s3.bucket import Bucket
from chaoslab.s3.errors import S3Failed
from chaoslab.s3.place import Place

STALE = timedelta(days=1)
"""What somebody else may still be at work on is left alone for so long."""


class RemoteFailed(ChaoslabError):
    """A set of that name is there already, and it is another."""


@dataclass(frozen=True, slots=True)
class Leftovers:
    """What dead runs left."""

    half_uploads: int = 0
    sets: list[str] = field(default_factory=list)
    """Sets that were half sent or half deleted."""


class RemoteStore:
    """The sets below a prefix of a bucket."""

    def __init__(self, bucket: Bucket, place: Place) -> None:
        """Take the bucket and the place in it."""
        self.bucket = bucket
        self.place = place

    def key(self, stamp: str, path: str) -> str:
        """Return the key of a file of a set."""
        return self.place.key(f"{stamp}/{path}")

    def stamps(self) -> list[str]:
        """Return the names of all sets, whole or not.

        Raises:
            S3Failed: the store does not answer, or denies it.
        """
        return sorted(filter(is_stamp, self.bucket.folders(self.place.prefix)))

    def find(self, stamp: str, name: str = SET) -> BackupSet | None:
        """Return a set; None when it is not there, or not whole.

        Raises:
            BadSet: its list makes no sense.
            S3Failed: the store does not answer, or denies it.
        """
        key = self.key(stamp, name)
        try:
            said = self.bucket.read(key)
        except S3Failed as failed:
            if failed.is_absent:
                return None
            raise
        found = parse_set(said, self.bucket.where(key))
        if found.stamp != stamp:
            raise BadSet(f"{self.bucket.where(key)} is that of another set, {found.stamp}")
        return found

    def listing(self) -> Listing:
        """Return the sets.

        Raises:
            S3Failed: the store does not answer, or denies it.
        """
        found = Listing()
        for stamp in self.stamps():
            try:
                one = self.find(stamp)
            except BadSet as bad:
                found.unreadable.append(str(bad))
                continue
            if one is not None:
                found.sets.append(one)
        return found

    def announce(self, made: BackupSet) -> None:
        """Say what is going to be there, before any of it is.

        Raises:
            RemoteFailed: another set has that name.
            S3Failed: the store does not answer, or denies it.
        """
        there = self.find(made.stamp)
        if there is not None and there != made:
            where = self.bucket.where(self.key(made.stamp, ""))
            raise RemoteFailed(f"{where} is another set of backups: give each store a prefix of its own")
        self.bucket.put(self.key(made.stamp, SET + PARTIAL), made.to_json().encode())

    def complete(self, made: BackupSet) -> None:
        """Say that a set is there, now that all of it is.

        Raises:
            S3Failed: the store does not answer, or denies it.
        """
        self.bucket.put(self.key(made.stamp, SET), made.to_json().encode())
        self._withdraw(made.stamp)

    def remove(self, old: BackupSet) -> None:
        """Delete a set. Cut off in the middle, it is no set any more, and a later run deletes the rest.

        Raises:
            S3Failed: the store does not answer, or denies it.
        """
        self.bucket.put(self.key(old.stamp, SET + PARTIAL), old.to_json().encode())
        try:
            self.bucket.delete([self.key(old.stamp, SET)])
        except S3Failed:
            self._withdraw(old.stamp)
            raise
        self.bucket.delete([self.key(old.stamp, one.path) for one in old.files()])
        self.bucket.delete([self.key(old.stamp, SET + PARTIAL)])

    def clear(self, now: datetime, *, mine: Callable[[str], bool], watch: Callable[[], None]) -> Leftovers:
        """Abort half uploads and delete half sets: those that are ours to send, and what nobody has touched for a day.

        Args:
            now: the time
            mine: says of a stamp whether we are the ones who send it, and we are not at it
            watch: called again and again; what it raises stops the clearing

        Raises:
            S3Failed: the store does not answer, or denies it.
        """
        aborted, removed = 0, []
        for half in self.bucket.half_uploads(self.place.prefix):
            watch()
            stamp = half.key.removeprefix(self.place.prefix).partition("/")[0]
            if is_stamp(stamp) and (mine(stamp) or now - half.begun_at > STALE):
                self.bucket.abort(half)
                aborted += 1
        for stamp in self.stamps():
            watch()
            if mine(stamp) or now - instant_of(stamp) <= STALE:
                continue  # ours is sent to its end
            try:
                half_set = None if self._is_whole(stamp) else self.find(stamp, SET + PARTIAL)
            except BadSet:
                continue
            if half_set is not None:
                self.remove(half_set)
                removed.append(stamp)
        return Leftovers(aborted, removed)

    def _is_whole(self, stamp: str) -> bool:
        return self.bucket.head(self.key(stamp, SET)) is not None

    def _withdraw(self, stamp: str) -> None:
        """Delete the list that says that a set is being sent, if that is allowed; beside a set.json it says nothing."""
        try:
            self.bucket.delete([self.key(stamp, SET + PARTIAL)])
        except S3Failed as failed:
            if not failed.is_denied:
                raise
