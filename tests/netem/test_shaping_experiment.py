"""A line that is used up, as a person does it: what must not pass, and a runner that dies."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from line import SERVER, Line, within
from waiting import until

from chaoslab.runtime.residue import open_runs

CATALOG = Path(__file__).parents[2] / "experiments" / "network"
WEB_PORT = 8082
COMMAND = [sys.executable, "-c", "import sys; from chaoslab.cli.main import main; sys.exit(main())"]


class _Well(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_):
        pass


@pytest.fixture
def service():
    """A service in a namespace of its own, and the line to it."""
    line = Line(talks=False)
    before = line.queues(line.server)
    server = within(line.server, lambda: ThreadingHTTPServer((SERVER, WEB_PORT), _Well))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield line
    assert line.queues(line.server) == before
    server.shutdown()
    thread.join()
    server.server_close()
    line.destroy()


def bearable(tmp_path, name):
    """Write a catalog file anew for a slow machine: few requests, much patience."""
    text = (CATALOG / f"{name}.yaml").read_text()
    for old, new in (
        ("20.0", "4.0"),
        ("timeout: 3s", "timeout: 20s"),
        ("availability: {at_least: ", "availability: {at_least: 1%, of: reads} #"),
        ("latency_p99: {at_most: 2s", "latency_p50: {at_most: 15s"),
        ("recovery: {at_most: 5s", "recovery: {at_most: 30s"),
        ("last: 1s", "last: 3s, at_least: 20%"),
    ):
        assert old in text
        text = text.replace(old, new)
    file = tmp_path / f"{name}.yaml"
    file.write_text(text)
    return file


def words(line, tmp_path, name, **variables):
    """Return the command of somebody at the client's end of the line, who shapes the service's interface."""
    told = {
        "service_url": f"http://{SERVER}:{WEB_PORT}",
        "read_path": "/",
        "health_path": "/",
        "interface": "root0",
        "netns": line.server,
        "ports": WEB_PORT,
        "side": "source",
        **variables,
    }
    given = [word for name, value in told.items() for word in ("--var", f"{name}={value}")]
    run = [
        *COMMAND,
        "run",
        str(bearable(tmp_path, name)),
        "--json",
        "--reports",
        str(tmp_path / "reports"),
        *given,
    ]
    return ["nsenter", f"--net=/run/netns/{line.client}", *run]


def run(line, tmp_path, name, **variables):
    environment = os.environ | {"XDG_STATE_HOME": str(tmp_path / "home")}
    command = words(line, tmp_path, name, **variables)
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=tmp_path)
    return done.returncode, json.loads(done.stdout or "{}"), done.stderr


def test_a_line_used_up_for_a_port_that_nobody_uses_proves_nothing(service, tmp_path):
    code, report, said = run(service, tmp_path, "line-saturated", duration="100ms", ports=9)
    assert code == 11, said
    assert "fault-without-effect" in {finding["code"] for finding in report["findings"]}, said


def test_a_runner_killed_in_the_middle_leaves_the_line_as_it_was(service, tmp_path):
    environment = os.environ | {"XDG_STATE_HOME": str(tmp_path / "home")}
    before = service.queues(service.server)
    command = words(service, tmp_path, "line-saturated", duration="60s", rate="4KiB")
    runner = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: service.queues(service.server) != before, "the fault is on")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(runner.pid, signal.SIGKILL)
        runner.wait()
    until(lambda: service.queues(service.server) == before, "the line is as it was")
    until(lambda: not open_runs(tmp_path / "home" / "chaoslab"), "nothing is left to undo")
