"""The lab's small parts, without a server."""

import os
import subprocess
import sys
import threading

import pytest

from chaoslab.core.errors import Missing
from chaoslab.lab.audit import GENESIS, link
from chaoslab.lab.breaker import Breaker, Unavailable
from chaoslab.lab.home import Home
from chaoslab.lab.metrics import Requests, gauges
from chaoslab.lab.pidfile import read_pid, write_pid
from chaoslab.postgres.programs import binaries
from chaoslab.postgres.programs.binaries import find_binaries
from chaoslab.postgres.programs.commands import PostgresFailed, last_line, run
from chaoslab.postgres.recovery_point.beating import ACKS_MAX_BYTES, KEEP_ROWS, AckLog
from chaoslab.postgres.servers import ports


def test_importing_the_lab_is_light():
    code = "import sys, chaoslab.lab; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert not {"psycopg", "asyncio", "subprocess", "http.client"} & set(done.stdout.split())


def test_a_pid_file_names_a_living_process_only(tmp_path):
    file = tmp_path / "x.pid"
    assert read_pid(file) is None
    child = subprocess.Popen(["sleep", "60"])
    write_pid(file, child.pid)
    assert read_pid(file).pid == child.pid
    assert file.read_text().splitlines()[0] == str(child.pid)
    child.kill()
    assert child.wait() != 0
    assert read_pid(file) is None
    file.write_text(f"{os.getpid()}\n1\n")
    assert read_pid(file) is None, "the same pid, another start: another process"
    file.write_text("torn")
    assert read_pid(file) is None


def test_acknowledgements_are_bounded_and_their_predecessor_is_kept(tmp_path):
    log = AckLog(tmp_path / "acks", max_bytes=2000)
    for beat in range(1, 101):
        log.write("shop", beat)
    log.close()
    old, new = ((tmp_path / name).read_text().splitlines() for name in ("acks.1", "acks"))
    assert len((tmp_path / "acks").read_bytes()) <= 2000
    beats = [int(line.split()[1]) for line in old + new]
    assert beats == list(range(beats[0], 101)), "what is kept has no hole"
    database, _, at, mono = new[-1].split()
    assert database == "shop"
    assert float(at) > 1.7e9
    assert float(mono) > 0


def test_acknowledgements_of_many_threads_are_whole_lines(tmp_path):
    log = AckLog(tmp_path / "acks", max_bytes=1 << 20)
    threads = [
        threading.Thread(target=lambda name=name: [log.write(name, beat) for beat in range(200)]) for name in "abcd"
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.close()
    lines = (tmp_path / "acks").read_text().splitlines()
    assert len(lines) == 800
    assert {len(line.split()) for line in lines} == {4}


def test_the_breaker_spares_others_the_wait_and_closes_after_a_success():
    breaker = Breaker(open_s=0.05)
    calls = []

    def fail():
        calls.append("fail")
        raise Unavailable("away")

    for _ in range(3):
        with pytest.raises(Unavailable):
            breaker.call(fail)
    assert calls == ["fail"]
    threading.Event().wait(0.06)
    assert breaker.call(lambda: "back") == "back"
    assert breaker.call(lambda: "still") == "still"


def test_an_error_of_the_request_itself_does_not_open_the_breaker():
    breaker = Breaker(open_s=60)
    with pytest.raises(ZeroDivisionError):
        breaker.call(lambda: 1 / 0)
    assert breaker.call(lambda: 1) == 1


def test_metrics_are_those_of_a_histogram():
    requests = Requests("shop")
    for seconds in (0.004, 0.15, 99.0):
        requests.observe("GET", "/x/{id}", 200, seconds)
    text = requests.text()
    labels = 'application="shop",method="GET",status="200",uri="/x/{id}"'
    assert f'http_server_requests_seconds_bucket{{{labels},le="0.005"}} 1\n' in text
    assert f'http_server_requests_seconds_bucket{{{labels},le="0.2"}} 2\n' in text
    assert f'http_server_requests_seconds_bucket{{{labels},le="10.0"}} 2\n' in text
    assert f'http_server_requests_seconds_bucket{{{labels},le="+Inf"}} 3\n' in text
    assert f"http_server_requests_seconds_count{{{labels}}} 3\n" in text
    assert gauges({"hikaricp_connections_max": 20}, "shop").endswith('{application="shop"} 20\n')


def test_the_home_is_given_or_set_or_the_usual_one(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.delenv("CHAOSLAB_LAB_HOME", raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert Home().path == tmp_path / "chaoslab" / "lab"
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert str(Home().path) == "/var/lib/chaoslab/lab"
    monkeypatch.setenv("CHAOSLAB_LAB_HOME", str(tmp_path / "mine"))
    assert Home().path == tmp_path / "mine"
    assert Home(tmp_path / "given").path == tmp_path / "given"


def test_acknowledgements_from_before_a_reboot_are_dropped(tmp_path):
    home = Home(tmp_path)
    home.forget_other_boots()
    home.acks.write_text("shop 1 1.0 99999.0\n")
    home.forget_other_boots()
    assert home.acks.exists()
    (tmp_path / "boot").write_text("another")
    home.forget_other_boots()
    assert not home.acks.exists()


def test_beats_outlive_their_acknowledgements():
    shortest = len("healthfinance_users 1 1795249204.161766 3.647783\n")
    assert 2 * ACKS_MAX_BYTES / shortest < KEEP_ROWS


def test_a_part_keeps_its_port_unless_it_was_taken(tmp_path, monkeypatch):
    home = Home(tmp_path)
    port = home.port("proxy", in_use=False)
    assert home.port("proxy", in_use=False) == port
    monkeypatch.setattr("chaoslab.lab.home.is_free", lambda number: False)
    assert home.port("proxy", in_use=True) == port
    assert home.port("proxy", in_use=False) != port


def test_ports_are_outside_the_range_that_clients_get(monkeypatch, tmp_path):
    low, high = (int(word) for word in ports.EPHEMERAL_RANGE.read_text().split())
    assert not low <= ports.free_port() <= high
    monkeypatch.setattr(ports, "EPHEMERAL_RANGE", tmp_path / "absent")
    assert ports.LOWEST <= ports.free_port() <= ports.FALLBACK_HIGHEST


def test_the_first_link_of_a_chain():
    assert link(GENESIS, "").hex() == "66687aadf862bd776c8fc18b8e9f8e20089714856ee233b3902a591d0d5f2925"


def test_a_command_that_takes_too_long_or_fails_is_one_line():
    with pytest.raises(PostgresFailed, match=r"^sleep did not end within 0.1 s$"):
        run(["sleep", "9"], deadline_s=0.1)
    with pytest.raises(PostgresFailed, match=r"^no-such could not be started"):
        run(["/no-such"], deadline_s=60)
    with pytest.raises(PostgresFailed, match=r"^sh failed \(exit 3\): the end$"):
        run(["sh", "-c", "echo begin; echo the end; exit 3"], deadline_s=60)
    assert run(["cat"], deadline_s=60, input_text="given") == "given"


def test_the_telling_line_of_a_log():
    assert last_line("x\nFATAL:  no\nLOG:  shut down\n") == "FATAL:  no"
    assert last_line("") == "no message"


def fake_binaries(folder, version):
    folder.mkdir(parents=True)
    for name in ("initdb", "pg_ctl", "postgres"):
        (folder / name).write_text(f"#!/bin/sh\necho 'postgres (PostgreSQL) {version}'\n")
        (folder / name).chmod(0o755)
    return folder


@pytest.fixture
def nothing_installed(monkeypatch, tmp_path):
    monkeypatch.delenv("CHAOSLAB_PG_BIN", raising=False)
    monkeypatch.setattr(binaries, "DEBIAN_ROOT", tmp_path / "debian")
    monkeypatch.setattr(binaries, "WHEEL", "no_such_wheel")
    # pytest's folders are closed to the server's user, and the scripts need no such user.
    monkeypatch.setattr(binaries, "server_user", lambda: None)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    return tmp_path


def test_without_binaries_the_remedy_is_named(nothing_installed):
    with pytest.raises(Missing, match=r"PostgreSQL \(server programs\) is missing; apt-get install postgresql, or pip"):
        find_binaries()
    with pytest.raises(Missing, match=r"PostgreSQL 17 or newer .*apt-get install postgresql-17"):
        find_binaries(17)


def test_debians_newest_comes_first_and_too_old_ones_are_passed_over(nothing_installed):
    for version in ("9.6", "15.4", "17.1"):
        major = version.partition(".")[0] if version != "9.6" else "9.6"
        fake_binaries(nothing_installed / "debian" / major / "bin", version)
    found = find_binaries()
    assert (found.major, found.version) == (17, "17.1")
    with pytest.raises(Missing, match=r"tried .*17/bin \(version 17\)"):
        find_binaries(18)


def test_what_is_given_is_used_and_nothing_else(nothing_installed, monkeypatch):
    fake_binaries(nothing_installed / "debian" / "17" / "bin", "17.1")
    mine = fake_binaries(nothing_installed / "mine", "16beta2")
    assert find_binaries(folder=str(mine)).major == 16
    monkeypatch.setenv("CHAOSLAB_PG_BIN", str(nothing_installed / "empty"))
    with pytest.raises(Missing, match=r"empty \(no initdb, pg_ctl, postgres\)"):
        find_binaries()
    with pytest.raises(Missing, match="pg_dump in .*mine is missing"):
        find_binaries(folder=str(mine)).program("pg_dump")


def test_programs_that_do_not_run_are_passed_over(nothing_installed):
    broken = fake_binaries(nothing_installed / "debian" / "17" / "bin", "17.1")
    (broken / "postgres").write_text("#!/bin/sh\nexit 1\n")
    fake_binaries(nothing_installed / "debian" / "15" / "bin", "15.1")
    assert find_binaries().major == 15
