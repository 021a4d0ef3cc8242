"""A primary with a streaming standby, and clients whose traffic never ends."""

import contextlib
import threading
import time

import psycopg

from chaoslab.postgres.servers.cluster import Cluster
from chaoslab.postgres.servers.standby import make_standby

MAX_CONNECTIONS = 20
RESERVED = 3
SETTINGS = {
    "max_connections": MAX_CONNECTIONS,
    "superuser_reserved_connections": RESERVED,
    "shared_buffers": "16MB",
    "fsync": "off",
    "autovacuum": "off",
    "wal_retrieve_retry_interval": "200ms",
}
PASSWORD = "only-for-app"


class PostgresPair:
    """Two servers and a role `app` that is no superuser and owns the table `visit`."""

    def __init__(self, folder, binaries):
        self._over = threading.Event()
        self._threads = []
        self.primary = Cluster.create(folder / "primary", binaries, settings=SETTINGS)
        self.primary.start()
        self.standby = make_standby(self.primary, folder / "standby")
        with self.admin() as connection:
            connection.execute(f"CREATE ROLE app LOGIN PASSWORD '{PASSWORD}'")
            connection.execute("GRANT CREATE ON SCHEMA public TO app")
            connection.execute("CREATE TABLE visit (id bigint PRIMARY KEY, note text); ALTER TABLE visit OWNER TO app")
            connection.execute("INSERT INTO visit SELECT i, 'x' FROM generate_series(1, 100) i")

    @property
    def dsn(self):
        return self.primary.dsn()

    @property
    def app_dsn(self):
        return self.primary.dsn(user="app", password=PASSWORD)

    @property
    def standby_dsn(self):
        return self.standby.dsn()

    def start(self):
        """Have both run, and nobody talk to them."""
        self.primary.start()
        self.standby.start()
        wait_for(lambda: self.is_in_step(), "the standby follows")

    def is_in_step(self):
        with contextlib.suppress(psycopg.Error), self.admin() as connection:
            return connection.execute("SELECT count(*) FROM pg_stat_replication").fetchone()[0] == 1
        return False

    def admin(self, standby=False):
        return psycopg.connect(self.standby_dsn if standby else self.dsn, autocommit=True, connect_timeout=5)

    def ask(self, query, standby=False):
        with self.admin(standby) as connection:
            return connection.execute(query).fetchone()[0]

    def talk(self, statement, pause_s=0.02):
        """Have a client of role app repeat a statement, whatever becomes of it."""
        thread = threading.Thread(target=self._talk, args=(statement, pause_s))
        self._threads.append(thread)
        thread.start()

    def _talk(self, statement, pause_s):
        while not self._over.is_set():
            with contextlib.suppress(psycopg.Error), psycopg.connect(self.app_dsn, autocommit=True) as connection:
                connection.execute("SET lock_timeout = '300ms'")
                while not self._over.wait(pause_s):
                    with contextlib.suppress(psycopg.errors.LockNotAvailable):
                        connection.execute(statement)
            self._over.wait(0.05)

    def rest(self):
        """End the clients."""
        self._over.set()
        for thread in self._threads:
            thread.join()
        self._threads = []
        self._over.clear()

    def stop(self):
        self.rest()
        for cluster in (self.standby, self.primary):
            cluster.destroy()


def wait_for(condition, what, within_s=60.0):
    """Wait for something to come true."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"{what} within {within_s:g} s"
        time.sleep(0.02)
