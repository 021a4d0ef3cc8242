"""A Redis server that a fault hits: the way to it, and what it is called without secrets.

An address may hold a password, so the ledger gets none: see `chaoslab.runtime.holder`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from chaoslab.core.errors import BadUsage, ChaoslabError, Missing, Refused
from chaoslab.runtime.holder import Hold

GUARD = "redis"
NAME = "chaoslab"
"""The name of our own connections, which no fault of ours ever hits."""
ANSWER_S = 3.0
_SCHEMES = ("redis", "rediss", "unix")


class RedisFailed(ChaoslabError):
    """The server did not do what it was asked to."""


class RedisDown(RedisFailed):
    """No server listens there."""


def load_redis() -> Any:
    """Return the module redis.

    Raises:
        Missing: it is not installed.
    """
    try:
        import redis
    except ImportError:
        raise Missing("redis", "pip install 'chaoslab[redis]'") from None
    return redis


def describe(url: str) -> str:
    """Return `host:port/db` for people, without secrets."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return parts.path
    return f"{parts.hostname or 'localhost'}:{parts.port or 6379}/{parts.path.strip('/') or 0}"


@contextmanager
def client(url: str, *, timeout_s: float = ANSWER_S) -> Iterator[Any]:
    """Give a client that waits only so long, tries once, and answers in bytes.

    Args:
        url: `redis://[user[:password]@]host[:port][/db]`, `rediss://...` or `unix://...`
        timeout_s: seconds that connecting, and each answer, may take

    Raises:
        BadUsage: the address is none.
        RedisDown: nobody listens there.
        RedisFailed: the server does not answer, or refuses; one line.
        Missing: the package is not installed.
    """
    redis = load_redis()
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    if _scheme(url) not in _SCHEMES:
        raise BadUsage("url: write redis://HOST:PORT/DB; its password may come from the environment or a --var-file")
    try:
        patience = {"socket_timeout": timeout_s, "socket_connect_timeout": timeout_s}
        made = redis.Redis.from_url(url, **patience, retry=Retry(NoBackoff(), 0), client_name=NAME)
    except ValueError as wrong:
        raise BadUsage(f"url: {wrong}") from None
    try:
        with made:
            yield made
    except (redis.RedisError, OSError) as broken:
        raise _told(url, broken) from broken


def _scheme(url: str) -> str:
    try:
        return urlsplit(url).scheme
    except ValueError:  # a bracket that is never closed
        return ""


def look(url: str) -> dict[str, Any]:
    """Return what a server that is to be hit says of itself (INFO).

    Raises:
        BadUsage: the address is none.
        Refused: it does not answer, or does not let us in.
    """
    try:
        with client(url) as server:
            found: dict[str, Any] = server.info()
    except RedisFailed as away:
        raise Refused(GUARD, str(away)) from away
    return found


def url_of(hold: Hold) -> str:
    """Return the address of a fault that was pinned in this process, or that stands; '' when neither."""
    return str((hold.remembered() or hold.read() or {}).get("url", ""))


def _told(url: str, broken: Exception) -> RedisFailed:
    """Return one line about what went wrong, without secrets."""
    reason = str(broken).strip().splitlines()[0] if str(broken).strip() else type(broken).__name__
    secret = urlsplit(url).password
    if secret:
        reason = reason.replace(secret, "***")
    is_down = isinstance(broken.__cause__ or broken, ConnectionRefusedError | FileNotFoundError) or any(
        sign in reason for sign in ("Connection refused", "No such file or directory")
    )
    return (RedisDown if is_down else RedisFailed)(f"{describe(url)}: {reason}")
