"""The lab is started, looked at and stopped, on good days and on bad ones."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request

import psycopg
import pytest
from waiting import until

import chaoslab.lab
from chaoslab.core.errors import BadUsage
from chaoslab.lab.databases import NAMES, LabFailed
from chaoslab.postgres.servers.postmaster import postmaster
from chaoslab.runtime.identity import identify, state_of
from chaoslab.runtime.proxyclient import ProxyClient

pytestmark = pytest.mark.usefixtures("binaries")


@pytest.fixture(scope="module")
def home(passable_root):
    """The folder of a lab that the tests of this file wreck one after the other."""
    yield passable_root / "wrecked"
    chaoslab.lab.stop(passable_root / "wrecked", remove=True)


@pytest.fixture
def small(home):
    """A running lab: whatever the test before did to it, a start makes it whole. That is under test too."""
    return again(home)


@pytest.fixture
def fresh(passable):
    """A folder where there never was a lab."""
    yield passable / "lab"
    chaoslab.lab.stop(passable / "lab", remove=True)


def again(home, **options):
    return chaoslab.lab.start(databases=1, size_mb=1, home=home, **options)


def works(lab):
    """Ask every part for what it is there for."""
    for database in lab["postgres"]:
        with psycopg.connect(database["dsn"]) as connection:
            assert connection.execute("SELECT count(*) FROM clinic.patient").fetchone()[0] > 0
    with urllib.request.urlopen(f"{lab['service']['url']}/appointments/1", timeout=60) as answer:
        assert json.load(answer)["id"] == 1
        assert "X-Degraded" not in answer.headers
    return ProxyClient(lab["proxy"]["control"]).state()["upstream"] == lab["proxy"]["upstream"]


def pids(lab):
    parts = {name: lab[name]["pid"] for name in ("server", "proxy", "heartbeat", "service", "downstream")}
    return {**parts, "supervisor": lab["service"]["supervisor"]}


def kill(pid):
    identity = identify(pid)
    os.kill(pid, signal.SIGKILL)
    until(lambda: not identity.is_alive())


def test_starting_twice_gives_the_same_lab(fresh):
    small = again(fresh)
    assert small["state"] == "running"
    assert small["problems"] == []
    assert [database["name"] for database in small["postgres"]] == ["healthfinance_users"]
    assert works(small)
    assert again(fresh) == small
    assert chaoslab.lab.status(fresh) == small
    more = chaoslab.lab.start(databases=3, size_mb=3, home=fresh)
    assert [database["name"] for database in more["postgres"]] == list(NAMES[:3])
    assert more["server"]["pid"] == small["server"]["pid"]
    assert works(more)
    assert again(fresh) == more, "databases are added, none is taken away"


def test_it_outlives_the_command_that_started_it_and_is_stopped_by_another(fresh):
    code = "import sys, json; from pathlib import Path; import chaoslab.lab; "
    start = code + "print(json.dumps(chaoslab.lab.start(1, 1, Path(sys.argv[1]))))"
    done = subprocess.run([sys.executable, "-c", start, fresh], check=True, capture_output=True, text=True, timeout=240)
    assert done.stderr == ""
    lab = json.loads(done.stdout)
    assert works(lab)
    # In sessions of their own: a terminal that goes away takes nothing along.
    assert os.getsid(0) not in {os.getsid(pid) for pid in pids(lab).values()}
    stop = code + "print(chaoslab.lab.stop(Path(sys.argv[1]))['state'])"
    done = subprocess.run([sys.executable, "-c", stop, fresh], check=True, capture_output=True, text=True, timeout=240)
    assert done.stdout == "stopped\n"
    assert not any(identify(pid) and identify(pid).is_alive() for pid in pids(lab).values())
    chaoslab.lab.stop(fresh, remove=True)
    assert not fresh.exists()


def test_stopping_twice_or_what_never_ran_is_harmless(home, small):
    for _ in range(2):
        stopped = chaoslab.lab.stop(home)
        assert stopped["state"] == "stopped"
        assert stopped["postgres"] == []
    never = home / "never"
    assert chaoslab.lab.stop(never)["state"] == "stopped"
    assert chaoslab.lab.status(never)["state"] == "stopped"
    assert not never.exists()


def test_a_stopped_lab_comes_back_with_its_data(home, small):
    with psycopg.connect(small["postgres"][0]["dsn"], autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    chaoslab.lab.stop(home)
    lab = again(home)
    with psycopg.connect(lab["postgres"][0]["dsn"]) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)
    assert works(lab)


def test_there_are_22_databases_and_no_more(fresh):
    assert len(set(NAMES)) == 22
    for count in (0, 23):
        with pytest.raises(BadUsage, match="1 to 22 databases"):
            chaoslab.lab.start(databases=count, home=fresh)


@pytest.mark.parametrize("part", ["server", "proxy", "heartbeat", "supervisor", "downstream"])
def test_a_killed_part_is_seen_and_repaired(home, small, part):
    kill(pids(small)[part])
    seen = chaoslab.lab.status(home)
    assert seen["state"] == "degraded"
    assert f"the {part} does not run" in seen["problems"]
    whole = again(home)
    assert works(whole)
    others = {"server", "proxy", "heartbeat"} - {part}
    assert {pids(whole)[name] for name in others} == {pids(small)[name] for name in others}


def test_a_killed_service_comes_back_by_itself(home, small):
    kill(small["service"]["pid"])
    until(lambda: chaoslab.lab.status(home)["state"] == "running")
    after = chaoslab.lab.status(home)
    assert after["service"]["pid"] != small["service"]["pid"]
    assert after["service"]["supervisor"] == small["service"]["supervisor"]
    assert works(after)


def test_all_killed_at_once_as_by_a_power_cut(home, small):
    for record in (home / "run").glob("*.json"):
        kill(json.loads(record.read_text())["pid"])
    for pid in (small["service"]["pid"], small["server"]["pid"], small.get("redis", {}).get("pid")):
        if pid is not None:
            kill(pid)
    assert chaoslab.lab.status(home)["state"] == "stopped"
    whole = again(home)
    assert works(whole)
    assert whole["proxy"]["listen"] == small["proxy"]["listen"]


def test_a_reused_pid_is_never_hit(home, small):
    """After a reboot the noted pids belong to strangers."""
    chaoslab.lab.stop(home)
    stranger = subprocess.Popen(["sleep", "60"])
    try:
        started = identify(stranger.pid).started
        (home / "run").mkdir(exist_ok=True)
        for name in ("proxy", "heartbeat", "supervisor"):
            record = {"pid": stranger.pid, "started": started - 1, "boot": identify(stranger.pid).boot}
            (home / "run" / f"{name}.json").write_text(json.dumps(record))
        (home / "run" / "service.pid").write_text(f"{stranger.pid}\n{started - 1}\n")
        assert chaoslab.lab.status(home)["state"] == "stopped"
        chaoslab.lab.stop(home)
        assert works(again(home))
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


@pytest.mark.parametrize("text", ["", '{"postgres": [{"na'])
def test_a_torn_state_file_is_said_and_repaired(home, small, text):
    (home / "state.json").write_text(text)
    seen = chaoslab.lab.status(home)
    assert seen["state"] == "degraded"
    assert any("missing or torn" in problem for problem in seen["problems"])
    assert again(home) == small


def test_taken_ports_are_replaced(home, small):
    chaoslab.lab.stop(home)
    ports = [int(small[part]["listen"].rpartition(":")[2]) for part in ("proxy",)]
    ports += [small["server"]["port"], int(small["service"]["url"].rpartition(":")[2])]
    thieves = [socket.create_server(("127.0.0.1", port)) for port in ports]
    try:
        lab = again(home)
        assert works(lab)
        assert lab["proxy"]["listen"] != small["proxy"]["listen"]
    finally:
        for thief in thieves:
            thief.close()


def test_a_paused_service_is_seen_and_a_start_makes_it_whole(home, small):
    os.kill(small["service"]["pid"], signal.SIGSTOP)
    until(lambda: state_of(small["service"]["pid"]) == "T")
    seen = chaoslab.lab.status(home)
    assert any("is paused" in problem for problem in seen["problems"])
    assert works(again(home))


def test_a_paused_service_can_be_stopped(home, small):
    os.kill(small["service"]["pid"], signal.SIGSTOP)
    assert chaoslab.lab.stop(home)["state"] == "stopped"
    assert identify(small["service"]["pid"]) is None or not identify(small["service"]["pid"]).is_alive()


def test_a_standing_toxic_is_a_problem_with_a_name(home, small):
    proxy = ProxyClient(small["proxy"]["control"])
    proxy.add("leftover", "blackhole", ttl_s=60)
    seen = chaoslab.lab.status(home)
    assert seen["state"] == "degraded"
    assert "the toxic 'leftover' (blackhole) stands in the proxy" in seen["problems"]
    with pytest.raises(LabFailed, match=r"leftover.*chaoslab undo"):
        again(home)
    proxy.remove("leftover")


def test_a_server_beyond_repair_is_replaced(home, small):
    chaoslab.lab.stop(home)
    (home / "postgres" / "data" / "global" / "pg_control").unlink()
    told = []
    lab = again(home, tell=told.append)
    assert any("beyond repair" in line for line in told)
    assert works(lab)


def test_a_half_made_database_is_made_anew(home, small):
    with psycopg.connect(small["server"]["dsn"], autocommit=True) as admin:
        admin.execute("CREATE DATABASE healthfinance_appointments")
    assert works(chaoslab.lab.start(databases=2, size_mb=2, home=home))


def test_two_starts_at_once_make_one_lab(fresh):
    found = []
    threads = [threading.Thread(target=lambda: found.append(again(fresh))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 2
    assert found[0] == found[1]
    assert works(found[0])


def test_a_start_killed_half_way_is_no_obstacle(fresh):
    code = "import sys; from pathlib import Path; import chaoslab.lab; chaoslab.lab.start(2, 2, Path(sys.argv[1]))"
    for delay_s in (0.6, 1.4):
        half = subprocess.Popen([sys.executable, "-c", code, fresh])
        time.sleep(delay_s)
        half.kill()
        half.wait()
    assert works(again(fresh))
    assert chaoslab.lab.stop(fresh)["state"] == "stopped"
    assert postmaster(fresh / "postgres") is None


def test_a_home_that_cannot_be_made_is_one_clear_line(passable):
    (passable / "file").write_text("")
    with pytest.raises(LabFailed, match="cannot be the lab's home") as caught:
        chaoslab.lab.start(home=passable / "file" / "lab")
    assert "\n" not in str(caught.value)


def test_secrets_are_readable_for_the_owner_alone(home, small):
    for path in home.rglob("*"):
        if path.is_file() and "data" not in path.parts:
            assert path.stat().st_mode & 0o077 == 0 or path.suffix == ".log", path
    for pid in pids(small).values():
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = file.read()
        for secret in (small["server"]["dsn"].split(":")[2].split("@")[0],):
            assert secret.encode() not in words
