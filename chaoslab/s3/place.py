"""Where in an object store: `s3://bucket/prefix`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from chaoslab.core.errors import BadUsage

_PLACE = re.compile(r"s3://(?P<bucket>[^/]+)(?:/(?P<prefix>.*))?")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]|arn:[\w:/.-]+")


@dataclass(frozen=True, slots=True)
class Place:
    """A bucket, and a prefix in it that ends with a slash or is empty."""

    bucket: str
    prefix: str = ""

    def key(self, name: str) -> str:
        """Return the key of a name below the prefix."""
        return self.prefix + name

    def __str__(self) -> str:
        """Return it as people write it."""
        return f"s3://{self.bucket}/{self.prefix}"


def parse_place(text: str) -> Place:
    """Read `s3://bucket/prefix`.

    Raises:
        BadUsage: it is something else.
    """
    match = _PLACE.fullmatch(text.strip())
    if match is None or not _BUCKET.fullmatch(match["bucket"]):
        raise BadUsage(f"{text!r} is no place in an object store; write s3://BUCKET/PREFIX")
    words = [word for word in (match["prefix"] or "").split("/") if word]
    return Place(match["bucket"], "".join(f"{word}/" for word in words))
