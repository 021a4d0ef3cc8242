"""Watch a recovered database from the disaster on: from when does it answer, and does it keep answering?"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from chaoslab.core.errors import ChaoslabError
from chaoslab.postgres.connect import connect, load_psycopg, one_line

if TYPE_CHECKING:
    from chaoslab.postgres.snapshot import Connection

SAMPLER = "recovered database"
EVERY_S = 0.1
BEFORE_EVERY_S = 1.0
"""While there is nothing to ask, a sample a second is enough; the transition is sampled at once."""
ANSWER_WITHIN_S = 1.0

type AddSample = Callable[[float, float, bool, str], None]


class ServingWatch:
    """A thread that asks the recovered database the same question on a fixed schedule.

    Until the restore is done every sample is bad: a half-restored database answers too, and serves nobody.
    """

    def __init__(
        self,
        *,
        now_s: Callable[[], float],
        add: AddSample,
        first_bad: Callable[[float], None],
        first_good: Callable[[float], None],
        question: str = "",
    ) -> None:
        """Take the clock and the sinks.

        Args:
            now_s: seconds of the run
            add: takes a sample: due at, latency, good, note
            first_bad: called once, with the instant at which the watch first saw that nothing serves
            first_good: called once, with the instant of the first good answer
            question: SQL that the service lives on; `SELECT 1` is always asked
        """
        self._now_s = now_s
        self._add = add
        self._first_bad = first_bad
        self._first_good = first_good
        self._questions = ["SELECT 1", *([question] if question.strip() else [])]
        self._dsn = ""
        self._missed = False
        self._served = False
        self._wake = threading.Event()
        self._answered = threading.Event()
        self._stopped = threading.Event()
        self._connection: Connection | None = None
        self._thread = threading.Thread(target=self._run, name="serving-watch", daemon=True)

    def start(self) -> None:
        """Begin to sample."""
        self._thread.start()

    def open_to_clients(self, dsn: str) -> None:
        """Say where the recovered database is, once it is handed over: before, it was not serving."""
        now_s = self._now_s()
        self._add(now_s, 0.0, False, "not handed over yet")
        self._dsn = dsn
        self._wake.set()

    def await_answer(self) -> None:
        """Wait for the first answer of the database that was handed over, whichever; mostly it was long ago."""
        self._answered.wait(ANSWER_WITHIN_S)

    def stop(self) -> None:
        """Sample no more; returns when the thread has ended."""
        self._stopped.set()
        self._wake.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(ANSWER_WITHIN_S * 3)

    def _run(self) -> None:
        with suppress(OSError, ValueError):  # the run's log is closed: the run was cut off
            self._sample()
        self._disconnect()

    def _sample(self) -> None:
        due_s = self._now_s()
        while not self._stopped.is_set():
            handed_over = bool(self._dsn)
            note = self._ask() if handed_over else "not restored yet"
            answered_s = self._now_s()
            if self._stopped.is_set():
                break  # the run ends: its log may be closed already
            self._add(due_s, max(0.0, answered_s - due_s), not note, note)
            if note and not self._missed:
                self._missed = True
                self._first_bad(answered_s)
            if not note and not self._served:
                self._served = True
                self._first_good(answered_s)
            if handed_over:
                self._answered.set()
            due_s = self._wait_until(max(due_s + (EVERY_S if self._dsn else BEFORE_EVERY_S), answered_s))

    def _wait_until(self, due_s: float) -> float:
        """Wait for the next instant to sample, and return it: at once when the database is handed over."""
        if self._dsn:
            self._stopped.wait(max(0.0, due_s - self._now_s()))
            return due_s
        return self._now_s() if self._wake.wait(max(0.0, due_s - self._now_s())) else due_s

    def _ask(self) -> str:
        """Ask once; return what was wrong, in a few words, or ''."""
        errors = (load_psycopg().Error, ChaoslabError, OSError)
        try:
            if self._connection is None or self._connection.closed:
                self._connection = connect(
                    self._dsn,
                    who="the recovered database",
                    statement_timeout_s=ANSWER_WITHIN_S,
                    connect_timeout_s=2,
                )
            for question in self._questions:
                self._connection.execute(question).fetchone()
        except errors as broken:
            self._disconnect()
            return one_line(broken)[:80]
        return ""

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
