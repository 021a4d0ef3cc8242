"""The lab's Redis: a real server, a cache without a disk, kept running by a supervisor."""

from __future__ import annotations

import importlib.util
import shutil
import socket
from pathlib import Path

PROGRAM = "redis-server"
REMEDY = "Redis is not a part of it: install it (Debian: apt-get install redis-server; pip install 'chaoslab[redis]')"
ANSWER_S = 0.5
_CONFIGURATION = """\
bind 127.0.0.1
port {port}
dir {folder}
daemonize no
save ""
appendonly no
maxmemory 64mb
maxmemory-policy allkeys-lru
"""


def is_installed() -> bool:
    """Say whether this machine has a Redis server, and we its client."""
    return shutil.which(PROGRAM) is not None and importlib.util.find_spec("redis") is not None


def configuration(folder: Path, port: int) -> str:
    """Return redis.conf: on loopback, in memory, and never larger than a lab needs."""
    return _CONFIGURATION.format(folder=folder, port=port)


def command(file: Path) -> tuple[str, ...]:
    """Return what starts the server from its configuration file."""
    return (shutil.which(PROGRAM) or PROGRAM, str(file))


def answers(port: int) -> bool:
    """Ask the server on loopback whether it serves."""
    try:
        with socket.create_connection(("127.0.0.1", port), ANSWER_S) as client:
            client.sendall(b"PING\r\n")
            return client.recv(16).startswith(b"+PONG")
    except OSError:
        return False
