"""Write to a stand-in and note what was acknowledged, until told to stop or until the runner is gone.

    python -m chaoslab.postgres.physical.writers --config FILE

FILE holds {"dsn", "name", "acks", "interval_s", "work_acks", "work_every_s"}. Beats go to `chaoslab.heartbeat`. Work
moves amounts between accounts: each transaction writes a row of `chaoslab.work` and changes one of `chaoslab.account`,
so that the sums of both agree whenever whole transactions are there. Both note each acknowledged commit in a log of
their own, `database id unix_time mono`. Standard input is held open by the runner: its end is theirs.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from chaoslab.core.errors import ChaoslabError
from chaoslab.postgres.connect import connect, load_psycopg
from chaoslab.postgres.recovery_point.beating import CONNECT_S, RETRY_S, AckLog, Writer, begin, run_until
from chaoslab.runtime.clock import CLOCK

TABLES = """
CREATE SCHEMA IF NOT EXISTS chaoslab;
CREATE TABLE IF NOT EXISTS chaoslab.heartbeat (id bigint PRIMARY KEY, at timestamptz NOT NULL);
CREATE TABLE IF NOT EXISTS chaoslab.account (id integer PRIMARY KEY, balance bigint NOT NULL);
CREATE TABLE IF NOT EXISTS chaoslab.work (
    id bigint PRIMARY KEY, account integer NOT NULL, amount integer NOT NULL, at timestamptz NOT NULL, note text);
INSERT INTO chaoslab.account SELECT n, 0 FROM generate_series(1, 100) n ON CONFLICT DO NOTHING;
"""
ACCOUNTS = 100
_NOTE = "x" * 200
_NEWEST = "SELECT coalesce(max(id), 0) FROM chaoslab.work"
_WORK = "INSERT INTO chaoslab.work VALUES (%s, %s, %s, clock_timestamp(), %s)"
_MOVE = "UPDATE chaoslab.account SET balance = balance + %s WHERE id = %s"


def work(config: Mapping[str, Any], acks: AckLog, stopping: threading.Event) -> None:
    """Commit transactions of two statements until the event is set; a server that is away is tried again."""
    errors = (load_psycopg().Error, ChaoslabError, OSError)
    last = 0
    while not stopping.is_set():
        try:
            with connect(config["dsn"], who="work", read_only=False, connect_timeout_s=CONNECT_S) as connection:
                row = connection.execute(_NEWEST).fetchone()
                last = max(last, row[0] if row else 0)
                while not stopping.is_set():
                    due_s = CLOCK.mono() + float(config["work_every_s"])
                    last += 1
                    account, amount = last % ACCOUNTS + 1, last % 97
                    with connection.transaction():
                        connection.execute(_WORK, (last, account, amount, _NOTE))
                        connection.execute(_MOVE, (amount, account))
                    acks.write(config["name"], last)
                    stopping.wait(max(0.0, due_s - CLOCK.mono()))
        except errors:
            stopping.wait(RETRY_S)


def write(config: Mapping[str, Any], stopping: threading.Event) -> None:
    """Beat and work until the event is set."""
    beats, works = AckLog(Path(config["acks"])), AckLog(Path(config["work_acks"]))
    writer = Writer(config["name"], config["dsn"], beats, interval_s=float(config["interval_s"]), stopping=stopping)
    jobs = [writer.run]
    if float(config["work_every_s"]) > 0:
        jobs.append(lambda: work(config, works, stopping))
    run_until(stopping, jobs)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the writers from the command line."""
    config, stopping = begin("python -m chaoslab.postgres.physical.writers", arguments)

    def await_end() -> None:
        while os.read(sys.stdin.fileno(), 1):
            continue
        stopping.set()

    threading.Thread(target=await_end, daemon=True).start()
    write(config, stopping)


if __name__ == "__main__":
    main()
