"""Share one snapshot of a database among connections, threads and programs. Reads only."""

from __future__ import annotations

import queue
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from chaoslab.core.errors import ChaoslabError
from chaoslab.postgres.connect import load_psycopg, one_line

if TYPE_CHECKING:
    import psycopg

    type Connection = psycopg.Connection[tuple[Any, ...]]


class CannotRead(ChaoslabError):
    """Something in a database cannot be read; what and why."""


def ask[T](question: Callable[[], T], what: str) -> T:
    """Ask the database; a failure says in one line what could not be read.

    Raises:
        CannotRead: the database answered with an error.
    """
    psycopg = load_psycopg()
    try:
        return question()
    except psycopg.Error as broken:
        raise CannotRead(f"{what} cannot be read: {one_line(broken)}") from None


@contextmanager
def shared_snapshot(connection: Connection) -> Iterator[str]:
    """Hold a read-only transaction open, and yield the name under which others can see what it sees."""
    ask(lambda: enter(connection), "the snapshot")
    row = ask(lambda: connection.execute("SELECT pg_export_snapshot()").fetchone(), "the snapshot")
    assert row is not None
    yield str(row[0])
    if not connection.closed:
        connection.execute("ROLLBACK")


def enter(connection: Connection, snapshot: str = "") -> None:
    """Begin a read-only transaction, in a snapshot that somebody holds or in one of its own."""
    connection.execute("BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    if snapshot:
        # The statement takes a literal only; a name has the form 00000003-0000001B-1.
        if not re.fullmatch(r"[0-9A-F-]+", snapshot):
            raise CannotRead(f"{snapshot!r} is not the name of a snapshot")
        connection.execute(f"SET TRANSACTION SNAPSHOT '{snapshot}'")


class Team:
    """Workers with a connection each, all in the same snapshot."""

    def __init__(self, open_one: Callable[[], Connection], snapshot: str, jobs: int) -> None:
        """Take how to connect, the snapshot to enter, and the number of workers."""
        self._open_one = open_one
        self._snapshot = snapshot
        self._pool = ThreadPoolExecutor(max(1, jobs), thread_name_prefix="facts")
        self._idle: queue.SimpleQueue[Connection] = queue.SimpleQueue()
        self._all: list[Connection] = []
        self._stopped = threading.Event()
        self._failed: CannotRead | None = None

    def __enter__(self) -> Team:
        """Return the team; workers connect when there is work."""
        return self

    def submit[T](self, job: Callable[[Connection], T]) -> Future[T]:
        """Have a worker do a job with its connection."""
        return self._pool.submit(self._work, job)

    def __exit__(self, kind: object, *_: object) -> None:
        """End the workers; after an error, without waiting for answers that nobody wants any more."""
        self._stopped.set()
        if kind is not None:
            for connection in list(self._all):
                cancel(connection)
        self._pool.shutdown(wait=True, cancel_futures=True)
        for connection in self._all:
            connection.close()

    def _work[T](self, job: Callable[[Connection], T]) -> T:
        if self._stopped.is_set():
            raise CannotRead("stopped")
        if self._failed is not None:
            # A failed statement spoils its transaction; what came after would complain of that, and hide why.
            raise CannotRead(str(self._failed)) from self._failed
        try:
            connection = self._idle.get_nowait()
        except queue.Empty:
            connection = self._open_one()
            self._all.append(connection)
            ask(lambda: enter(connection, self._snapshot), "the snapshot")
        try:
            return job(connection)
        except CannotRead as failed:
            self._failed = self._failed or failed
            raise
        finally:
            self._idle.put(connection)


def cancel(connection: Connection) -> None:
    """Stop the statement that runs on a connection, from another thread."""
    try:
        connection.cancel_safe(timeout=2.0)
    except Exception:  # the server may be gone, and the connection with it
        connection.close()
