"""How exact the prober is: outages of known length at 100 questions a second, as it measures them.

The server that fails is a process of its own and goes by the same monotonic clock. The error of an outage is the larger
of two distances: begin to first bad sample, and end to first good answer after it.

Then a thousand questions a second to a server that holds every fiftieth for 50 ms and the others for 5 ms: how far off
the 99th percentile is, and how much of a core the prober took. Last, how much memory it takes to judge ten minutes.
"""

import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

from _harness import Row, alone, table

from chaoslab.core.histogram import Histogram
from chaoslab.core.objective import Objective
from chaoslab.core.samples import Sample
from chaoslab.http.prober import Prober
from chaoslab.runtime.session import Session

LONG_SAMPLES = 600_000
JUDGING = """\
import resource, sys
from pathlib import Path
from chaoslab.report.write import write_reports
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
before = peak()
write_reports(Path(sys.argv[1]))
print(peak() - before)
"""

OUTAGES, RATE_HZ = 12, 100.0
LEAD_S, OUTAGE_S, REST_S = 0.4, 0.337, 0.6

LOAD_HZ, LOAD_S = 1000.0, 10.0
SLOW_S = 0.05
SLOW_SERVER = """\
import asyncio
class Answer(asyncio.Protocol):
    asked = 0
    def connection_made(self, transport): self.transport = transport
    def data_received(self, data):
        Answer.asked += 1
        held_s = 0.05 if Answer.asked % 50 == 0 else 0.005
        asyncio.get_running_loop().call_later(held_s, self.answer)
    def answer(self):
        self.transport.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\nConnection: close\\r\\n\\r\\n")
        self.transport.close()
async def main():
    server = await asyncio.get_running_loop().create_server(Answer, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
asyncio.run(main())
"""

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
def server_of(code: str) -> Iterator[subprocess.Popen[str]]:
    """Run a server; a line `begin end` on its standard input makes the failing one fail between these instants."""
    server = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
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


def under_load(session: Session, server: subprocess.Popen[str]) -> tuple[float, float]:
    """Return the error of the 99th percentile in seconds, and the share of a core that the prober took."""
    assert server.stdout is not None
    url = f"http://127.0.0.1:{int(server.stdout.readline())}/"
    sampler = session.sampler("load")
    prober = Prober("load", url, sampler=sampler, rate_hz=LOAD_HZ, clock=session.clock)
    spent_s = time.process_time()
    prober.start()
    time.sleep(LOAD_S)
    prober.stop()
    share = (time.process_time() - spent_s) / LOAD_S
    latencies = [sample.latency_s if sample.good else math.inf for sample in sampler.since(0.0)]
    return max(abs(bound - SLOW_S) for bound in Histogram(latencies).percentile(99)), share


def judging_bytes(folder: Path) -> float:
    """Return how much more memory a process takes to judge ten minutes at a thousand a second."""
    session = Session("long", folder / "run", state=folder / "state")
    session.start({"id": "long"}, objectives=[Objective("latency_p99", "at_most", 1.0, "s", "load").to_json()])
    session.log.append("fault-intended", entry=1, name="f", target="t", role="fault", ttl_s=900.0, undo="m:f")
    session.log.append("fault-injected", entry=1)
    random = Random(7)
    for begin in range(0, LONG_SAMPLES, 1000):
        batch = [[n / LOAD_HZ, round(random.lognormvariate(-5, 1), 6), True, ""] for n in range(begin, begin + 1000)]
        session.log.append("samples", prober="load", batch=batch)
    session.log.append("fault-undone", entry=1, by="run")
    session.close("completed")
    words = [sys.executable, "-c", JUDGING, str(folder / "run")]
    return float(subprocess.run(words, capture_output=True, text=True, check=True, timeout=600).stdout)


def measure() -> list[Row]:
    """Return the rows of the table."""
    with tempfile.TemporaryDirectory() as name, server_of(SERVER) as server, server_of(SLOW_SERVER) as slow:
        session = Session("prober", Path(name) / "run", state=Path(name) / "state")
        session.start({"id": "prober"})
        found = errors_s(session, server)
        error_s, share = under_load(session, slow)
        session.close("completed")
        long_bytes = judging_bytes(Path(name) / "long")
    what = f"prober at {RATE_HZ:g} Hz: error of {OUTAGES} outages of {OUTAGE_S} s"
    load = f"prober at {LOAD_HZ:g} Hz for {LOAD_S:g} s"
    return [
        alone(f"{what}, median", found, goal=0.02),
        alone(f"{what}, worst", [max(found)], goal=0.02),
        alone(f"{load}: error of the 99th percentile of {SLOW_S * 1000:g} ms", [error_s], goal=0.002),
        Row(f"{load}: share of one core", f"{share:.2f}", "", share, "core", 1.0),
        Row("600 s at 1,000 Hz judged and reported: memory", "", "", long_bytes / 2**20, "MiB", 32.0),
    ]


if __name__ == "__main__":
    print(table(measure()))
