"""How well the prober measures: a known outage at 100 Hz, its own lateness, and what it costs at its fastest."""

import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from _harness import Row, alone, table

from chaoslab.http.prober import Prober
from chaoslab.runtime.sampling import Sample
from chaoslab.runtime.session import Session

OUTAGES = 10
SERVER = """
import asyncio, sys, time
outage = [0.0, 0.0]
class Answer(asyncio.Protocol):
    def connection_made(self, transport): self.transport = transport
    def data_received(self, data):
        out = outage[0] <= time.monotonic() < outage[1]
        status = b"503 Away" if out else b"200 OK"
        self.transport.write(b"HTTP/1.1 " + status + b"\\r\\nContent-Length: 2\\r\\nConnection: close\\r\\n\\r\\nok")
        self.transport.close()
def command(): outage[:] = map(float, sys.stdin.readline().split() or outage)
async def main():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Answer, "127.0.0.1", int(sys.argv[1]), backlog=1024)
    loop.add_reader(sys.stdin, command)
    print("on", flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""


@contextmanager
def server() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run a server that answers at once, and 503 while it is told to be away."""
    with socket.create_server(("127.0.0.1", 0)) as finder:
        port = finder.getsockname()[1]
    command = [sys.executable, "-c", SERVER, str(port)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        yield process, f"http://127.0.0.1:{port}/"
    finally:
        process.kill()
        process.communicate()


def probed(session: Session, url: str, *, rate_hz: float, duration_s: float) -> tuple[list[Sample], float]:
    """Probe for a while; return the samples and the share of one core that it took."""
    sampler = session.sampler(f"at {rate_hz:g} Hz")
    prober = Prober("bench", url, sampler=sampler, rate_hz=rate_hz)
    begun, busy = time.monotonic(), time.process_time()
    prober.start()
    time.sleep(duration_s)
    prober.stop()
    return sampler.since(0.0), (time.process_time() - busy) / (time.monotonic() - begun)


def outage_errors_s(session: Session, process: subprocess.Popen[str], url: str) -> list[float]:
    """Return, for each end of several outages, how far the prober's bounds may be off, in seconds."""
    assert process.stdin is not None
    sampler = session.sampler("outage")
    prober = Prober("outage", url, sampler=sampler, rate_hz=100.0)
    prober.start()
    errors: list[float] = []
    for _ in range(OUTAGES):
        begin = time.monotonic() + 0.05
        process.stdin.write(f"{begin} {begin + 0.2}\n")
        process.stdin.flush()
        time.sleep(0.4)
        begin_s = begin - session.log.origin_mono_s
        around = [sample for sample in sampler.since(begin_s - 0.04) if sample.at_s < begin_s + 0.3]
        bad = sorted(sample.at_s for sample in around if not sample.good)
        good = min(sample.at_s + sample.latency_s for sample in around if sample.good and sample.at_s > bad[-1])
        errors += [abs(bad[0] - begin_s), abs(good - (begin_s + 0.2))]
    prober.stop()
    return errors


def main() -> None:
    """Print the table."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name, server() as (process, url):
        session = Session("bench", Path(name, "run"), state=Path(name, "state"))
        session.start({"id": "bench"})
        errors = outage_errors_s(session, process, url)
        rows.append(alone("prober at 100 Hz: error of a known outage's ends", errors, goal=0.02))
        rows.append(alone("prober at 100 Hz: the worst of them", [max(errors)], goal=0.02))
        for rate_hz in (100.0, 1000.0):
            samples, share = probed(session, url, rate_hz=rate_hz, duration_s=3.0)
            latencies = sorted(sample.latency_s for sample in samples if sample.good)
            lost = 1 - len(latencies) / (rate_hz * 3.0)
            what = f"prober at {rate_hz:g} Hz of a server that answers at once: latency"
            rows.append(alone(f"{what}, {max(0.0, lost):.1%} lost, {share:.0%} of a core", latencies, goal=0.01))
            worst = statistics.quantiles(latencies, n=100)[98]
            rows.append(alone(f"{what}, 99th percentile", [worst], goal=0.02))
        session.close("completed")
    print(table(rows))


if __name__ == "__main__":
    main()
