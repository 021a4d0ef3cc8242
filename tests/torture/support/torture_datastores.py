"""Real data stores to be hit, with clients that never stop asking: PostgreSQL with a standby, and Redis."""

import importlib
import shutil
import sys
import threading
import time
from contextlib import suppress
from types import MappingProxyType

from torture_victims import TESTS, TTLS, Victim

from chaoslab.core.errors import ChaoslabError
from chaoslab.engine.needs import missing
from chaoslab.postgres.programs.binaries import find_binaries

sys.path.append(str(TESTS / "datastores" / "support"))
OURS = """
    SELECT count(*) FILTER (WHERE application_name LIKE 'chaoslab%'),
           count(*) FILTER (WHERE wait_event_type = 'Lock' AND now() - state_change > interval '2 s')
    FROM pg_stat_activity WHERE pid <> pg_backend_pid()"""
LOCKS = "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted AND pid <> pg_backend_pid()"


class Pair:
    """One primary with a standby for all victims that are faults of PostgreSQL; made when the first one wants it."""

    made = None
    _users = 0

    @classmethod
    def lent(cls, folder):
        """Have the pair, which is made anew when one of its servers has died."""
        if cls.made is not None and not cls.is_alive():
            cls.made.stop()
            cls.made = None
        if cls.made is None:
            home = folder.parent / "postgres-pair"
            shutil.rmtree(home, ignore_errors=True)
            home.mkdir()
            home.chmod(0o711)
            cls.made = importlib.import_module("postgres_pair").PostgresPair(home, find_binaries(14))
            cls.made.start()
            for statement in ("SELECT count(*) FROM visit", "UPDATE visit SET note = 'y' WHERE id = 1"):
                cls.made.talk(statement, pause_s=0.1)
        cls._users += 1

    @classmethod
    def given_back(cls):
        """Take it away with its last user."""
        cls._users -= 1
        if cls._users <= 0 and cls.made is not None:
            cls.made.stop()
            cls.made.primary.folder.parent.rmdir()
            cls.made, cls._users = None, 0

    @classmethod
    def is_alive(cls):
        return cls.made is not None and None not in (cls.made.primary.pid(), cls.made.standby.pid())


class Locked(Victim):
    """A table that everybody uses."""

    name, action = "postgres.contention.lock_table", "chaoslab.postgres.contention:lock_table"
    WELL = MappingProxyType({"locks": 0, "ours, long waits": (0, 0), "replay paused": False, "serves": True})

    def __init__(self, folder):
        super().__init__(folder)
        Pair.lent(folder)

    @property
    def pair(self):
        """The pair of now: another victim's death may have brought a new one."""
        return Pair.made

    @classmethod
    def why_not(cls):
        try:
            find_binaries(14)
        except ChaoslabError as absent:
            return str(absent)
        return "; ".join(map(str, missing(["postgres"])))

    def arguments(self, chance):
        return {"dsn": self.pair.dsn, "ttl": chance.choice(TTLS), **self.more(chance)}

    def more(self, chance):
        return {"table": "visit", "mode": chance.choice(["ACCESS EXCLUSIVE", "EXCLUSIVE"])}

    def pids(self):
        return [pid for pid in (self.pair.primary.pid(), self.pair.standby.pid()) if pid]

    def state(self):
        """Return what the servers say: sessions of ours, locks, replay, and whether a user gets in."""
        psycopg = importlib.import_module("psycopg")
        found = {"serves": False}
        with suppress(psycopg.Error):
            with self.pair.admin() as connection:
                found["ours, long waits"] = connection.execute(OURS).fetchone()
                found["locks"] = connection.execute(LOCKS).fetchone()[0]
            found["replay paused"] = self.pair.ask("SELECT pg_is_wal_replay_paused()", standby=True)
            psycopg.connect(self.pair.app_dsn, connect_timeout=5).close()
            found["serves"] = True
        return found

    def is_alive(self):
        return Pair.is_alive()

    def die(self):
        self.pair.primary.stop("immediate")

    def stop(self):
        Pair.given_back()


class LeftOpen(Locked):
    """A database in which rows die all the time."""

    name, action = "postgres.contention.open_transaction", "chaoslab.postgres.contention:open_transaction"

    def more(self, chance):
        return {}


class Exhausted(LeftOpen):
    """A server with few connections."""

    name, action = "postgres.connections.exhaust_connections", "chaoslab.postgres.connections:exhaust_connections"

    def arguments(self, chance):
        return {"dsn": self.pair.app_dsn, "share": chance.choice(["90%", "100%"]), "ttl": chance.choice(TTLS)}


class Behind(LeftOpen):
    """A standby that follows."""

    name, action = "postgres.replication.pause_replica", "chaoslab.postgres.replication:pause_replica"

    def arguments(self, chance):
        return {"dsn": self.pair.standby_dsn, "ttl": chance.choice(TTLS)}

    def die(self):
        self.pair.standby.stop("immediate")


class Scratch(Victim):
    """A folder in which a drill makes its scratch server."""

    name, action = "postgres.scratch", "chaoslab.postgres.actions:scratch"

    def arguments(self, chance):
        return {"folder": str(self.folder)}

    def state(self):
        return {"files": sorted(path.name for path in self.folder.iterdir())}


class Frozen(Victim):
    """A real Redis server that answers nobody for a while."""

    name, action = "redis.freeze", "chaoslab.redis.actions:freeze"
    WELL = MappingProxyType({"answers": True})

    def __init__(self, folder):
        super().__init__(folder)
        self.target = importlib.import_module("redis_server").RedisServer(folder)

    @classmethod
    def why_not(cls):
        absent = "" if shutil.which("redis-server") else "no redis-server"
        return "; ".join([*map(str, missing(["redis"])), *([absent] if absent else [])])

    def arguments(self, chance):
        return {"url": self.target.url, "ttl": chance.choice(TTLS)}

    def pids(self):
        return [self.target.pid] if self.is_alive() else []

    def is_alive(self):
        return self.target.is_alive()

    def state(self):
        if self.target.ping_s(timeout_s=3.0) is None:
            return {"answers": False}
        with self.target.client(timeout_s=5.0) as client:
            settings = {key: value for key, value in client.config_get("*").items() if key.startswith("maxmemory")}
            ours = sum(one["name"].startswith("chaoslab") for one in client.client_list())
        return {"answers": True, "settings": settings, "connections of ours": ours}

    def die(self):
        self.target.kill()

    def stop(self):
        self.target.stop()


class Squeezed(Frozen):
    """The same, with less memory than it uses, while somebody writes."""

    name, action = "redis.squeeze_memory", "chaoslab.redis.actions:squeeze_memory"

    def __init__(self, folder):
        super().__init__(folder)
        self._over = threading.Event()
        threading.Thread(target=self._write, daemon=True).start()

    def _write(self):
        redis = importlib.import_module("redis")
        with self.target.client(timeout_s=2.0) as client:
            while not self._over.wait(0.05):
                with suppress(redis.RedisError):
                    client.set(f"appointment:{time.monotonic_ns() % 100}", "x" * 200)

    def arguments(self, chance):
        policy = chance.choice(["", "allkeys-lru"])
        return {"url": self.target.url, "memory": "50%", "policy": policy, "ttl": chance.choice(TTLS)}

    def stop(self):
        self._over.set()
        super().stop()


class Evicted(Frozen):
    """The same, which loses some of its keys."""

    name, action, momentary = "redis.evict", "chaoslab.redis.actions:evict", True

    def arguments(self, chance):
        return {"url": self.target.url, "pattern": "*", "share": "1%", "seed": chance.getrandbits(16)}


class HungUp(Frozen):
    """The same, which hangs up on somebody who comes back."""

    name, action, momentary = "redis.kill_connections", "chaoslab.redis.actions:kill_connections", True

    def __init__(self, folder):
        super().__init__(folder)
        self._over = threading.Event()
        threading.Thread(target=self._come_back, daemon=True).start()

    def _come_back(self):
        redis = importlib.import_module("redis")
        while not self._over.wait(0.05):
            with suppress(redis.RedisError), self.target.client(timeout_s=2.0, name="shop-1") as client:
                while not self._over.wait(0.05):
                    client.ping()

    def arguments(self, chance):
        return {"url": self.target.url, "name": "shop-*"}

    def stop(self):
        self._over.set()
        super().stop()
