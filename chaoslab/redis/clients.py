"""Which clients are meant."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

from chaoslab.redis.server import NAME

KINDS = ("normal", "pubsub", "replica")


def chosen_clients(server: Any, *, kind: str, name: str) -> list[int]:
    """Return the ids of the clients that are meant, never those of ours.

    Args:
        server: the client of ours that asks
        kind: one of KINDS, or '' for any
        name: pattern of the name that they gave themselves, or '' for any
    """
    wanted = KINDS if not kind else (kind,)
    found = [one for word in wanted for one in server.client_list(_type=word)]
    return [int(one["id"]) for one in found if one["name"] != NAME and (not name or fnmatchcase(one["name"], name))]
