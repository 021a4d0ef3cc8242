"""The holder of a freeze: `python -m chaoslab.redis.holding`, started by the fault itself.

CLIENT PAUSE cannot be taken back: CLIENT UNPAUSE has to wait like everybody else. So the pause is a chain of short
ones, and it ends soon after nobody adds to it. Two orders are always on their way: the second stands first in the queue
of those who wait for the end of the first, so nobody slips through between them.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, NoReturn

from chaoslab.core.errors import ChaoslabError
from chaoslab.redis.server import NAME, load_redis
from chaoslab.runtime.holder import hold

LINK_S = 0.1
"""How long one pause of the chain lasts; with two under way, the server goes on at most twice that after the last."""
_ANSWER_S = 10.0


def _freeze(order: dict[str, Any]) -> tuple[dict[str, Any], Callable[[], NoReturn]]:
    redis = load_redis()
    pool = redis.ConnectionPool.from_url(order["url"], socket_timeout=_ANSWER_S, client_name=NAME)
    connection = pool.get_connection()
    link = list(connection.pack_command("CLIENT", "PAUSE", round(LINK_S * 1000)))
    connection.send_packed_command([*link, *link])
    try:
        connection.read_response()
    except redis.RedisError as refused:
        raise ChaoslabError(f"the server does not pause: {refused}") from refused

    def stay() -> NoReturn:
        try:
            while True:
                connection.send_packed_command(link)
                connection.read_response()
        except (redis.RedisError, OSError):
            pool.disconnect()
            os._exit(0)  # the server is gone, and its pause with it

    return {"link_s": LINK_S}, stay


if __name__ == "__main__":
    hold(_freeze)
