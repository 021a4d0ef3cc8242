"""Experiments of the catalog against what the lab does not have: a service with a clock of its own, a full disk."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from processes import Talker

from chaoslab.runtime.residue import open_runs

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-c", "import sys; from chaoslab.cli.main import main; sys.exit(main())"]
FAKETIME = next(iter(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")), None)
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
    words = [word for key, value in variables.items() for word in ("--var", f"{key}={value}")]
    file = ROOT / "experiments" / "resource" / f"{name}.yaml"
    done = subprocess.run(
        [*COMMAND, "run", str(file), "--json", "--reports", str(tmp_path / "reports"), *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    return done.returncode, json.loads(done.stdout or "{}"), done.stderr


@pytest.mark.skipif(FAKETIME is None, reason="no libfaketime here")
@pytest.mark.parametrize(("kind", "expected"), [("lenient", 0), ("strict", 10)])
def test_a_service_whose_clock_jumps(start, tmp_path, state, kind, expected):
    service = start(kind)
    port = service.out.read_text().strip()
    variables = {"service_url": f"http://127.0.0.1:{port}", "path": "/", "pid_file": service.pid_file}
    code, report, said = run("clock-skew", tmp_path, duration="1s", **variables)
    assert code == expected, said
    [fault] = report["faults"]
    assert fault["effective_s"] is not None
    assert report["residue"] == []
    assert not (tmp_path / "clock").exists()
    assert open_runs(state) == []


def test_a_full_disk_and_its_twin_that_was_full_before(own_tmpfs, tmp_path, state):
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
