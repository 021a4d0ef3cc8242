"""Experiments that need a lab with a disk and a clock of its own, and some against services that are no part of it."""

import os
import subprocess
import sys
import threading
import time
import urllib.request
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest
from catalog_files import EXPERIMENTS, each_experiment_of
from catalog_runs import passes
from catalog_runs import run as run_file
from processes import Talker

from chaoslab.runtime.residue import open_runs

FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
SERVICE = r"""
use IO::Socket::INET;
$s = IO::Socket::INET->new(LocalAddr => "127.0.0.1", Listen => 64) or die; $| = 1; print $s->sockport, "\n";
while ($c = $s->accept) {
    while (($l = <$c>) && $l ne "\r\n") { }
    $late = defined $first && abs(time - $first) > 600; $first //= time;
    $status = $late && $ARGV[0] eq "strict" ? "500 No" : "200 OK";
    print $c "HTTP/1.1 $status\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"; close $c;
}
"""
"""A service; a strict one trusts nobody whose clock has jumped, not even itself."""


@pytest.fixture
def start(tmp_path):
    made = []

    def service(kind):
        environment = {"LD_PRELOAD": str(FAKETIME), "FAKETIME_TIMESTAMP_FILE": str(tmp_path / "clock")}
        environment |= {"FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        made.append(Talker(tmp_path, ["perl", "-e", SERVICE, kind], environment))
        return made[-1]

    yield service
    for talker in made:
        talker.stop()


def run(name, tmp_path, **variables):
    [file] = [file for file in EXPERIMENTS if file.stem == name]
    return run_file(file, tmp_path, **variables)


class Clock(threading.Thread):
    """Reads the service's own clock off its answers, and keeps by how much it was ahead of ours."""

    def __init__(self, url):
        super().__init__(daemon=True)
        self._url = url
        self._stopping = threading.Event()
        self.ahead_s = []

    def run(self):
        while not self._stopping.wait(0.1):
            with urllib.request.urlopen(self._url, timeout=20) as answer:
                shown = parsedate_to_datetime(answer.headers["Date"])
            self.ahead_s.append(shown.timestamp() - time.time())

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self._stopping.set()
        self.join()


@pytest.mark.postgres
@each_experiment_of("resource")
def test_the_resilient_service_passes(lab, tmp_path, file):
    with Clock(lab["service"]["health"]) as clock:
        passes(file, tmp_path)
    wrong = [ahead_s for ahead_s in clock.ahead_s if abs(ahead_s) > 60]
    assert bool(wrong) == (file.stem == "clock-skew")
    assert all(abs(ahead_s - 3600) < 60 for ahead_s in wrong)
    assert abs(clock.ahead_s[-1]) < 60


@pytest.mark.parametrize(("kind", "expected"), [("lenient", 0), ("strict", 10)])
def test_a_service_whose_clock_jumps(start, tmp_path, kind, expected):
    service = start(kind)
    port = service.out.read_text().strip()
    variables = {"service_url": f"http://127.0.0.1:{port}", "path": "/", "pid_file": service.pid_file}
    code, report, said = run("clock-skew", tmp_path, duration="1s", **variables)
    assert code == expected, said
    [fault] = report["faults"]
    assert fault["effective_s"] is not None
    assert report["residue"] == []
    assert not (tmp_path / "clock").exists()
    assert open_runs(tmp_path / "home" / "chaoslab") == []


def test_a_full_disk_and_its_twin_that_was_full_before(own_tmpfs, tmp_path):
    """The service needs no disk to serve a file, so it passes, and the disk is really full meanwhile."""
    (own_tmpfs.folder / "index.html").write_text("ok")
    code = (
        "import functools, http.server as h\n"
        f"handler = functools.partial(h.SimpleHTTPRequestHandler, directory={str(own_tmpfs.folder)!r})\n"
        "s = h.ThreadingHTTPServer(('127.0.0.1', 0), handler); print(s.server_port, flush=True); s.serve_forever()"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{int(process.stdout.readline())}"
        variables = {"service_url": url, "path": "/", "folder": own_tmpfs.folder, "floor": "0B", "duration": "1s"}
        code, report, said = run("disk-full", tmp_path, size="", share="100%", **variables)
        assert code == 0, said
        assert report["faults"][0]["effective_s"] is not None
        assert os.statvfs(own_tmpfs.folder).f_bavail > 0
        (own_tmpfs.folder / "other").write_bytes(b"x" * (31 << 20))
        code, _, said = run("disk-full", tmp_path, size="", share="95%", **variables)
        assert code == 12
        assert "that is as full as was asked for" in said
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
