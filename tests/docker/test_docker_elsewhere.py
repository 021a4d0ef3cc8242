"""A daemon of another machine: no process of ours is ever taken for one of its own, and a watchdog stands there."""

import os
import subprocess

import pytest
from conformance import kill_with_its_reaper
from elsewhere import Runner, daemon_elsewhere
from images import lesser_image
from waiting import until

from chaoslab.core.errors import Refused
from chaoslab.docker.actions import kill, pause, stop
from chaoslab.docker.joining import disconnect
from chaoslab.docker.limits import limit
from chaoslab.docker.network import block_port, delay, limit_rate
from chaoslab.docker.target import identity, is_here
from chaoslab.docker.volumes import fill_volume
from chaoslab.runtime.fault import pin_of
from chaoslab.runtime.residue import open_runs, undo_runs


@pytest.fixture(scope="module")
def there():
    with daemon_elsewhere() as made:
        yield made


@pytest.fixture
def target(there, tmp_path):
    made = there.run(["sleep", "3600"], init=True, tmpfs={"/data": "size=8m"})
    yield made
    made.remove(force=True)


def state(container):
    container.reload()
    return container.attrs["State"]


def is_cut_off(container):
    container.reload()
    return not container.attrs["NetworkSettings"]["Networks"]


def is_squeezed(container):
    container.reload()
    return container.attrs["HostConfig"]["CpuQuota"] == 20000


WATCHED = [
    (pause, {}, lambda one: state(one)["Paused"]),
    (stop, {"grace": "0s"}, lambda one: not state(one)["Running"]),
    (disconnect, {}, is_cut_off),
    (limit, {"cpus": "0.2"}, is_squeezed),
]
NAMES = [action.__name__ for action, _, _ in WATCHED]


@pytest.mark.parametrize(("action", "more", "is_hit"), WATCHED, ids=NAMES)
def test_its_watchdog_undoes_when_run_and_reaper_are_gone(there, target, tmp_path, action, more, is_hit):
    words = {"container": target.name, "docker": there.address, "ttl": "3s", **more}
    runner = Runner(action, words)
    before = there.names()
    with runner.runner(tmp_path, target) as process:
        kill_with_its_reaper(process)
    assert is_hit(target)
    until(lambda: not is_hit(target), "the watchdog has undone it")
    until(lambda: there.names() == before, "the watchdog has gone")
    [left] = open_runs(tmp_path / "state")
    assert len(left.entries) == 1
    assert [left for _, left in undo_runs(tmp_path / "state")] == [[]]
    assert not is_hit(target)


@pytest.mark.parametrize(("action", "more", "is_hit"), WATCHED, ids=NAMES)
def test_the_undo_sends_the_watchdog_home(there, target, session, action, more, is_hit):
    before = there.names()
    action(target.name, docker=there.address, **more)
    assert is_hit(target)
    assert len(there.names() - before) == 1
    assert session.undo() == []
    assert not is_hit(target)
    assert there.names() == before


@pytest.fixture
def twin(there):
    """A container there whose first process has the number of a process of ours here."""
    crowd = [subprocess.Popen(["sleep", "3600"]) for _ in range(80)]
    numbers = {process.pid for process in crowd}
    made = []
    try:
        for _ in range(10):
            there.count_from(min(numbers))
            made.append(there.run(["sleep", "3600"], tmpfs={"/data": "size=8m"}))
            if made[-1].attrs["State"]["Pid"] in numbers:
                break
        assert made[-1].attrs["State"]["Pid"] in numbers
        yield made[-1]
        assert all(process.poll() is None for process in crowd)
    finally:
        for container in made:
            container.remove(force=True)
        for process in crowd:
            process.kill()
            process.wait()


@pytest.mark.parametrize(
    ("action", "more"),
    [
        (kill, {"supervised": "yes"}),
        (block_port, {"way": "host"}),
        (delay, {}),
        (limit_rate, {}),
    ],
)
def test_what_needs_its_process_is_refused_though_its_number_is_taken_here(there, twin, action, more):
    assert not is_here(identity(twin.attrs))
    with pytest.raises(Refused, match="cannot be signalled from here|does not run on this machine"):
        pin_of(action)(twin.name, docker=there.address, **more)


def test_what_its_daemon_does_leaves_the_process_of_that_number_alone(there, twin, session):
    for action in (pause, stop, disconnect, limit):
        action(twin.name, docker=there.address, **({"cpus": "0.2"} if action is limit else {}))
        assert session.undo() == []
        twin.reload()


def test_a_full_disk_there_is_never_said_to_be_cleared_from_here(there, target, session):
    """Its folder may be here too: the daemon's paths are paths of its own machine."""
    fill_volume(target.name, "/var", size="1MiB", docker=there.address)
    target.stop(timeout=0)
    assert os.path.isdir(target.attrs["GraphDriver"]["Data"]["UpperDir"]), "or the test shows nothing"
    assert len(session.undo()) == 1
    target.start()
    assert session.undo() == []


@pytest.mark.parametrize(
    ("watchdog", "told"),
    [("", "neither"), ("nobody/nothing:1", "the daemon has no image nobody/nothing:1")],
)
def test_without_a_watchdog_it_is_refused_before_anything_is_touched(there, watchdog, told):
    with lesser_image(there.client, there.image, "/usr/bin/python3*") as image:
        bare = there.run(["sleep", "3600"], image=image, init=True)
        before = there.names()
        try:
            with pytest.raises(Refused, match="its own image cannot be one" if not watchdog else told):
                pin_of(pause)(bare.name, docker=there.address, watchdog=watchdog)
            assert there.names() == before
            assert pin_of(pause)(bare.name, docker=there.address, watchdog="none").data["watch"] == {}
            assert pin_of(pause)(bare.name, docker=there.address, watchdog=there.image).data["watch"]
        finally:
            bare.remove(force=True)


def test_a_local_daemon_needs_none(idle):
    assert pin_of(pause)(idle.name).data["watch"] == {}
