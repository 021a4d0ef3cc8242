"""The same faults through Podman's socket, which answers in Docker's words: injected, seen from outside, undone."""

import contextlib
import os
import signal
import subprocess
import tempfile
import uuid
from pathlib import Path

import pytest
from containers import Ticker, usual
from docker.errors import NotFound
from process_table import processes_with
from waiting import until

from chaoslab.core.errors import Refused
from chaoslab.core.record import record_of
from chaoslab.docker.actions import kill, pause, stop
from chaoslab.docker.client import connect
from chaoslab.docker.joining import disconnect
from chaoslab.docker.limits import limit
from chaoslab.docker.network import block_port
from chaoslab.docker.volumes import fill_volume
from chaoslab.lab.image import ensure_image
from chaoslab.runtime.fault import pin_of
from chaoslab.runtime.runlog import read_events

PORT = 7000
ANSWER = f"""
import socket
server = socket.create_server(("0.0.0.0", {PORT}), backlog=64)
while True:
    line, _ = server.accept()
    line.close()
"""
ASK = f"""
import socket, sys, time
while True:
    try:
        socket.create_connection((sys.argv[1], {PORT}), timeout=0.2).close()
        print(1, file=open('/out/ticks', 'a'))
    except OSError:
        pass
    time.sleep(0.01)
"""
SERVICE = (
    'ip link set lo up && exec podman --root "$0/root" --runroot "$0/run" system service --time=0 "unix://$0/sock"'
)


@pytest.fixture(scope="module")
def podman():
    """A client of Podman's service, which has a network of its own, so that it puts no rule into the machine's."""
    with tempfile.TemporaryDirectory(prefix="cl-podman-") as folder:
        service = subprocess.Popen(["unshare", "--net", "--mount", "sh", "-c", SERVICE, folder])
        try:
            until(lambda: Path(folder, "sock").exists(), "Podman answers")
            client = connect(address := f"unix://{folder}/sock")
            client.address = address
            yield client
            client.close()
        finally:
            service.terminate()
            service.wait()
            for pid in processes_with(folder):
                # One for each exec, to clean up after it: five minutes later, and in a folder that it would make anew.
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            stores = ["--root", f"{folder}/root", "--runroot", f"{folder}/run"]
            subprocess.run(["podman", *stores, "system", "reset", "--force"], check=False, timeout=120)


@pytest.fixture(scope="module")
def address(podman):
    return podman.address


@pytest.fixture(scope="module")
def network(podman):
    return podman.networks.create(f"chaoslab-test-{uuid.uuid4().hex[:8]}")


@pytest.fixture(scope="module")
def start(podman, network):
    image, made = ensure_image(podman), []

    def start(command, **options):
        made.append(podman.containers.run(image, command, detach=True, network=network.name, **usual(podman) | options))
        made[-1].reload()
        return made[-1]

    yield start
    for container in made:
        with contextlib.suppress(NotFound):
            container.remove(force=True, v=True)


@pytest.fixture
def asker(start, network, tmp_path):
    """A container that counts how often another one has answered it."""
    server = start(["python3", "-c", ANSWER])
    address = server.attrs["NetworkSettings"]["Networks"][network.name]["IPAddress"]
    ticks = Ticker(lambda _, **options: start(["python3", "-c", ASK, address], **options), tmp_path / "out")
    yield ticks
    ticks.close()


def effective(session):
    """Return whether each fault of a run has bitten."""
    return [fault.effective for fault in record_of(read_events(session.folder / "events.jsonl")).faults]


@pytest.mark.parametrize("fault", ["pause", "stop", "block_port", "disconnect"])
def test_it_bites_and_is_undone(asker, session, network, address, fault):
    strike, more = {
        "pause": (pause, {}),
        "stop": (stop, {"grace": "1s"}),
        "block_port": (block_port, {"port": PORT}),
        "disconnect": (disconnect, {"network": network.name}),
    }[fault]
    strike(asker.name, docker=address, **more)
    assert effective(session) == [True]
    assert asker.is_silent()
    assert session.undo() == []
    until(lambda: not asker.is_silent(), "it asks again, and is answered")


def test_a_killed_container_is_dead(asker, session, address):
    kill(asker.name, supervised="yes", docker=address)
    until(lambda: asker.state()["Status"] == "exited", "it has ended")
    assert effective(session) == [True]


def test_a_volume_is_filled_and_cleared(asker, session, address):
    out = asker.out.parent
    fill_volume(asker.name, "/out", size="1MiB", docker=address)
    assert effective(session) == [True]
    assert sum(file.stat().st_size for file in out.iterdir() if file != asker.out) >= 2**20
    assert session.undo() == []
    assert list(out.iterdir()) == [asker.out]


def test_limits_are_refused_where_the_service_cannot_change_them(asker, podman, address):
    """Podman can do so from its version 5 on."""
    if int(podman.version()["Version"].partition(".")[0]) >= 5:
        assert pin_of(limit)(asker.name, cpus="10%", docker=address)
        return
    with pytest.raises(Refused, match="Podman before version 5 cannot"):
        pin_of(limit)(asker.name, cpus="10%", docker=address)
