"""A place is pinned, entered, found again, and known to be gone."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from spaces import Space

from chaoslab.core.errors import BadUsage, Missing, Refused
from chaoslab.core.spec import parse_spec
from chaoslab.engine.needs import missing
from chaoslab.engine.runner import plan_exercise
from chaoslab.engine.variables import given_of
from chaoslab.network.namespace import Gone, Place, open_place, place_of, run_in
from chaoslab.network.programs import ProgramFailed

NOBODY = 65534


@pytest.fixture
def space():
    made = Space()
    yield made
    made.remove()


@pytest.fixture
def sleeper():
    """A process in a namespace of its own."""
    process = subprocess.Popen(["unshare", "--net", "sleep", "60"])
    await_program(process.pid)
    yield process
    process.kill()
    process.wait()


def await_program(pid):
    """Wait until `unshare` or `nsenter` has become the program that it was to start: it is in its namespace then."""
    deadline = time.monotonic() + 60
    while Path(f"/proc/{pid}/comm").read_text() != "sleep\n":
        assert time.monotonic() < deadline
        time.sleep(0.01)


def links(place):
    return run_in(place, ["ip", "-o", "link"])


def test_the_host_is_where_the_run_lives():
    place = place_of()
    assert place.is_own()
    assert place.name == "this host"
    assert links(place) == subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True).stdout


def test_a_named_namespace_is_entered_and_survives_the_ledger(space):
    place = place_of(netns=space.name)
    assert not place.is_own()
    assert Place.of(json.loads(json.dumps(place.data()))) == place
    assert links(place).count("\n") == 1


def test_a_process_namespace_is_found_again_when_the_process_ended_and_another_lives_in_it(sleeper):
    place = place_of(pid=sleeper.pid)
    assert f"process {sleeper.pid} (sleep)" in place.name
    other = subprocess.Popen(["nsenter", f"--net=/proc/{sleeper.pid}/ns/net", "sleep", "60"])
    try:
        await_program(other.pid)
        sleeper.kill()
        sleeper.wait()
        assert links(place).count("\n") == 1
    finally:
        other.kill()
        other.wait()
    with pytest.raises(Gone):
        open_place(place)


def test_a_namespace_that_is_gone_is_no_other_one(space):
    place = place_of(netns=space.name)
    space.remove()
    again = Space()
    try:
        with pytest.raises(Gone, match="is gone"):
            run_in(place, ["ip", "link"])
        with pytest.raises(Gone):
            run_in(Place.of(place.data() | {"path": f"/run/netns/{again.name}"}), ["ip", "link"])
    finally:
        again.remove()


def test_a_place_of_an_earlier_boot_is_gone(space):
    with pytest.raises(Gone):
        open_place(Place.of(place_of(netns=space.name).data() | {"boot": "earlier"}))


def test_a_program_says_no_in_one_line(space):
    place = place_of(netns=space.name)
    with pytest.raises(ProgramFailed, match=r"ip link show nowhere failed: .*nowhere"):
        run_in(place, ["ip", "link", "show", "nowhere"])
    with pytest.raises(ProgramFailed, match=r"did not end within 0\.2 s"):
        run_in(place, ["sleep", "60"], deadline_s=0.2)
    with pytest.raises(Missing, match="the program no-such is missing"):
        run_in(place, ["no-such"])


@pytest.mark.parametrize(
    ("arguments", "error", "why"),
    [
        ({"netns": "a", "pid": 7}, BadUsage, "either netns or pid"),
        ({"netns": "../etc"}, BadUsage, "no name of a network namespace"),
        ({"pid": -1}, BadUsage, "-1 is no process"),
        ({"netns": "nowhere"}, Refused, "there is no network namespace nowhere; `ip netns list`"),
        ({"pid": 2**30}, Refused, "there is no process"),
        ({"pid": os.getpid()}, Refused, "has no network namespace of its own"),
    ],
)
def test_what_is_no_place_is_refused(arguments, error, why):
    with pytest.raises(error, match=why):
        place_of(**arguments)


def as_nobody(work):
    """Do something as an ordinary user, in a process of its own; return what it says."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
            said = work()
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
        os.write(writing, said.encode())
        os.kill(os.getpid(), signal.SIGKILL)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return said


def test_an_ordinary_user_is_refused_on_the_host_and_in_the_namespaces_of_others(space):
    assert "needs CAP_NET_ADMIN over this host" in as_nobody(lambda: str(place_of()))
    assert "needs CAP_NET_ADMIN over network namespace" in as_nobody(lambda: str(place_of(netns=space.name)))


def test_an_ordinary_user_may_in_a_namespace_of_his_own():
    def work():
        own = subprocess.Popen(["unshare", "--user", "--map-root-user", "--net", "sleep", "60"], cwd="/")
        try:
            await_program(own.pid)
            place = place_of(pid=own.pid)
            run_in(place, ["nft", "-f", "-"], stdin="create table inet mine")
            return run_in(place, ["nft", "list", "tables"])
        finally:
            own.kill()
            own.wait()

    assert as_nobody(work) == "table inet mine\n"


def test_an_ordinary_user_passes_the_gate_of_an_experiment_in_a_namespace_of_his_own(space):
    """The right over the host's network, which the file asks for, is not what it takes there."""
    file = Path(__file__).parents[2] / "experiments/network/port-blocked.yaml"
    spec = parse_spec(file.read_text(), str(file))
    assert "net-admin" in spec.needs

    def lacks(place):
        given = given_of(["service_url=http://127.0.0.1:1", "port:int=5432", place])
        return str(missing(plan_exercise(spec, given).gate.needs))

    def work():
        own = subprocess.Popen(["unshare", "--user", "--map-root-user", "--net", "sleep", "60"], cwd="/")
        try:
            await_program(own.pid)
            return lacks(f"pid:int={own.pid}")
        finally:
            own.kill()
            own.wait()

    assert lacks(f"netns={space.name}") == "[]"  # what it takes is loaded now, where an ordinary user may not read
    assert as_nobody(work) == "[]"
