"""Servers that fail when told to, a run to take samples in, and a prober between them."""

import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

from chaoslab.http.prober import Prober
from chaoslab.runtime.session import Session, has_session

SERVER = Path(__file__).parent / "outage_server.py"


class OutageServer:
    """Runs `outage_server.py` in a process of its own."""

    def __init__(self):
        self.process = subprocess.Popen(
            [sys.executable, SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.url = f"http://127.0.0.1:{int(self.process.stdout.readline())}/health"

    def outage(self, after_s, duration_s, how=""):
        begin = time.monotonic() + after_s
        self.process.stdin.write(f"{how} {begin} {begin + duration_s}\n".lstrip())
        self.process.stdin.flush()
        return begin, begin + duration_s

    def stop(self):
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


@contextmanager
def running_server():
    server = OutageServer()
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def running_session(folder):
    session = Session("run-1", folder / "run", state=folder / "state")
    session.start({"id": "run-1"})
    try:
        yield session
    finally:
        if has_session():
            session.close("completed")


@contextmanager
def probing(session, url, **settings):
    prober = Prober("api", url, sampler=session.sampler("api"), clock=session.clock, **settings)
    prober.start()
    try:
        yield prober
    finally:
        prober.stop()


def until_sampled(session, count=1, *, after_mono_s=0.0, within_s=60.0):
    """Wait for samples of questions that were due after an instant of CLOCK_MONOTONIC, and are all answered."""
    after_s, deadline = after_mono_s - session.log.origin_mono_s, time.monotonic() + within_s
    while len(session.sampler("api").since(after_s)) < count:
        assert time.monotonic() < deadline, f"no {count} samples within {within_s:g} s"
        time.sleep(0.01)


def samples(session):
    return sorted(session.sampler("api").since(0.0))
