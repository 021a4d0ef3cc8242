"""The faults of a PostgreSQL server keep the contract, on real servers."""

import psycopg
import pytest
from conformance import FaultConformance

from chaoslab.postgres.connections import exhaust_connections
from chaoslab.postgres.contention import lock_table, open_transaction
from chaoslab.postgres.replication import pause_replica


class _OfPostgres(FaultConformance):
    more = {}  # noqa: RUF012 - never changed
    traffic = ""
    ttl = "6s"  # a machine that has no time for us needs some until the holder holds

    @pytest.fixture
    def target(self, pair):
        if self.traffic:
            pair.talk(self.traffic)
        return pair

    def arguments(self, target):
        return {"dsn": target.dsn, **self.more}

    def destroy(self, target):
        target.primary.stop("immediate")


class TestExhaust(_OfPostgres):
    action = staticmethod(exhaust_connections)

    def arguments(self, target):
        return {"dsn": target.app_dsn}

    def is_hit(self, target):
        try:
            psycopg.connect(target.app_dsn).close()
        except psycopg.OperationalError:
            return True
        return False


class TestLock(_OfPostgres):
    action = staticmethod(lock_table)
    more = {"table": "visit"}  # noqa: RUF012
    traffic = "SELECT count(*) FROM visit"

    def is_hit(self, target):
        with target.admin() as connection:
            connection.execute("SET lock_timeout = '200ms'")
            try:
                connection.execute("SELECT count(*) FROM visit")
            except psycopg.errors.LockNotAvailable:
                return True
        return False


class TestTransaction(_OfPostgres):
    action = staticmethod(open_transaction)
    traffic = "UPDATE visit SET note = 'y' WHERE id = 1"

    def is_hit(self, target):
        return target.ask("SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction'") > 0


class TestPauseReplica(_OfPostgres):
    action = staticmethod(pause_replica)

    def arguments(self, target):
        return {"dsn": target.standby_dsn}

    def is_hit(self, target):
        return target.ask("SELECT pg_is_wal_replay_paused()", standby=True)

    def destroy(self, target):
        target.standby.stop("immediate")
