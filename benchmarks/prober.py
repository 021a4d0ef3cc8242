"""How exact the prober is: outages of known length at 100 questions a second, as it measures them.

The server that fails is a process of its own and goes by the same monotonic clock. The error of an outage is the larger
of two distances: begin to first bad sample, and end to first good answer after it.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from _harness import Row, alone, table

from chaoslab.core.record import Sample
from chaoslab.http.prober import Prober
from chaoslab.runtime.session import Session

OUTAGES, RATE_HZ = 12, 100.0
LEAD_S, OUTAGE_S, REST_S = 0.4, 0.337, 0.6

SERVER = """\
import http.server, sys, threading, time
windows = []
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        bad = any(begin <= time.monotonic() < end for begin, end in windows)
        self.send_response(503 if bad else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *told): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_port, flush=True)
for line in sys.stdin:
    windows.append(tuple(map(float, line.split())))
"""


@contextmanager
def failing_server() -> Iterator[subprocess.Popen[str]]:
    """Run the server; a line `begin end` on its standard input makes it fail between these instants."""
    server = subprocess.Popen([sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield server
    finally:
        server.kill()
        server.wait()


def errors_s(session: Session, server: subprocess.Popen[str]) -> list[float]:
    """Return how far off each outage was measured, in seconds."""
    assert server.stdin is not None
    assert server.stdout is not None
    url = f"http://127.0.0.1:{int(server.stdout.readline())}/"
    prober = Prober("api", url, sampler=session.sampler("api"), rate_hz=RATE_HZ, clock=session.clock)
    prober.start()
    windows = []
    for _ in range(OUTAGES):
        begin = time.monotonic() + LEAD_S
        server.stdin.write(f"{begin} {begin + OUTAGE_S}\n")
        server.stdin.flush()
        windows.append((begin, begin + OUTAGE_S))
        time.sleep(LEAD_S + OUTAGE_S + REST_S)
    prober.stop()
    taken = sorted(session.sampler("api").since(0.0))
    origin = session.log.origin_mono_s
    return [_error_s(taken, begin - origin, end - origin) for begin, end in windows]


def _error_s(taken: list[Sample], begin_s: float, end_s: float) -> float:
    near = [sample for sample in taken if begin_s - LEAD_S / 2 <= sample.at_s <= end_s + REST_S / 2]
    bad = [sample for sample in near if not sample.good]
    good = next(sample for sample in near if sample.at_s > bad[-1].at_s)
    return max(abs(bad[0].at_s - begin_s), abs(good.at_s + good.latency_s - end_s))


def measure() -> list[Row]:
    """Return the rows of the table."""
    with tempfile.TemporaryDirectory() as name, failing_server() as server:
        session = Session("prober", Path(name) / "run", state=Path(name) / "state")
        session.start({"id": "prober"})
        found = errors_s(session, server)
        session.close("completed")
    what = f"prober at {RATE_HZ:g} Hz: error of {OUTAGES} outages of {OUTAGE_S} s"
    return [alone(f"{what}, median", found, goal=0.02), alone(f"{what}, worst", [max(found)], goal=0.02)]


if __name__ == "__main__":
    print(table(measure()))
