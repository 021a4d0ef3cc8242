"""A real Redis server, and eyes to see what it suffers."""

import contextlib
import subprocess
import time

import redis
from postgres_pair import wait_for
from redis.backoff import NoBackoff
from redis.retry import Retry

from chaoslab.postgres.servers.ports import free_port

PASSWORD = "only-for-redis"


class RedisServer:
    """A server with a password; `config` are lines of redis.conf."""

    def __init__(self, folder, config=""):
        self._folder, self._config = folder, config
        self.port = free_port()
        self.url = f"redis://:{PASSWORD}@127.0.0.1:{self.port}/0"
        self._process = None
        self._named = []
        self.start()

    def start(self):
        lines = ["bind 127.0.0.1", f"port {self.port}", "save ''", f"requirepass {PASSWORD}", self._config]
        words = ["redis-server", "-", "--dir", str(self._folder)]
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        self._process.stdin.write("\n".join(lines) + "\n")
        self._process.stdin.close()
        wait_for(lambda: self.ping_s() is not None, "redis answers")
        with self.client() as client:
            client.mset({f"appointment:{number}": "x" * 200 for number in range(100)})
            client.set("other", "kept")

    def client(self, timeout_s=30.0, name=None):
        patience = {"socket_timeout": timeout_s, "socket_connect_timeout": timeout_s}
        return redis.Redis.from_url(self.url, **patience, retry=Retry(NoBackoff(), 0), client_name=name)

    def named(self, name):
        """Return a client that stays connected under a name."""
        client = self.client(name=name)
        client.ping()
        self._named.append(client)
        return client

    def ping_s(self, timeout_s=0.3):
        """Return how long an answer takes, in seconds; None when there is none."""
        begin = time.monotonic()
        with contextlib.suppress(redis.RedisError), self.client(timeout_s) as client:
            client.ping()
            return time.monotonic() - begin
        return None

    def ask(self, *words):
        with self.client() as client:
            return client.execute_command(*words)

    @property
    def pid(self):
        return self._process.pid

    def is_alive(self):
        return self._process.poll() is None

    def kill(self):
        self._process.kill()
        self._process.wait()

    def stop(self):
        for client in self._named:
            client.close()
        self.kill()
