"""Which container is meant: found, pinned, counted; and which must not be hit."""

import re
import uuid

import pytest
from waiting import until

from chaoslab.core.errors import BadUsage, Refused
from chaoslab.docker.actions import kill, pause, restart, stop
from chaoslab.docker.client import DaemonGone
from chaoslab.docker.joining import disconnect
from chaoslab.docker.limits import limit
from chaoslab.docker.volumes import fill_volume
from chaoslab.runtime.fault import pin_of

PROXY = """
import socket, threading
def copy(a, b):
    try:
        while data := a.recv(65536): b.sendall(data)
    except OSError: pass
    try: b.shutdown(socket.SHUT_WR)
    except OSError: pass
server = socket.socket(socket.AF_UNIX)
server.bind('/out/docker.sock')
server.listen(16)
while True:
    here, _ = server.accept()
    there = socket.socket(socket.AF_UNIX)
    there.connect('/daemon/docker.sock')
    for pair in ((here, there), (there, here)):
        threading.Thread(target=copy, args=pair, daemon=True).start()
"""


def pinned(action=pause, **arguments):
    return pin_of(action)(**arguments)


def names(found):
    return [one["name"] for one in found.data["containers"]]


@pytest.fixture(scope="module")
def team(client, image, network):
    """Three alike, of one compose service, and their common label."""
    mark = uuid.uuid4().hex[:8]
    labels = {"team": mark, "com.docker.compose.project": f"p{mark}", "com.docker.compose.service": "web"}
    made = [
        client.containers.run(image, ["sleep", "3600"], name=f"{mark}-{n}", labels=labels, detach=True, init=True)
        for n in (1, 2, 3)
    ]
    yield mark
    for container in made:
        container.remove(force=True)


def test_by_name_id_label_and_compose_service_the_same_is_found(idle, team):
    assert names(pinned(container=idle.name)) == [idle.name]
    assert names(pinned(container=idle.id[:12])) == [idle.name]
    assert names(pinned(container=f"{team}-2", labels=f"team={team}")) == [f"{team}-2"]
    everyone = [f"{team}-{n}" for n in (1, 2, 3)]
    assert names(pinned(labels=f"team={team}", which="all")) == everyone
    assert names(pinned(compose="web", labels=f"team={team}", which="all")) == everyone
    assert names(pinned(compose=f"p{team}/web", which="2")) == everyone[:2]
    assert names(pinned(labels=f"team={team}", which="50%")) == everyone[:1]
    assert names(pinned(container=f"re:^{team}-[12]$", which="all")) == everyone[:2]
    by_chance = {tuple(names(pinned(labels=f"team={team}", which=f"random {seed}"))) for seed in range(30)}
    assert by_chance == {(one,) for one in everyone}


def test_several_where_one_was_meant_are_refused_and_listed(team):
    with pytest.raises(Refused, match=rf"3 containers fit .*{team}-1, {team}-2, {team}-3; name one, or say `which`"):
        pinned(labels=f"team={team}")
    with pytest.raises(Refused, match="4 are meant, and only 3 containers fit"):
        pinned(labels=f"team={team}", which="4")


def test_none_is_refused_and_says_which_ones_there_are(idle, run):
    with pytest.raises(Refused, match="no running container is nobody; there are .*chaoslab-test"):
        pinned(container="nobody")
    ended = run(["true"])
    ended.wait(timeout=60)
    with pytest.raises(Refused, match=f"no running container is {ended.name}: it is exited"):
        pinned(container=ended.name)


def test_a_part_of_a_name_is_no_name(idle):
    with pytest.raises(Refused, match="no running container"):
        pinned(container=idle.name[:-1])


@pytest.mark.parametrize(
    ("action", "arguments", "told"),
    [
        (pause, {}, "say which container is meant"),
        (pause, {"container": "x", "ttl": "0s"}, "ttl: must be longer than zero"),
        (pause, {"container": "IDLE", "which": "0"}, "which: '0' is none of these"),
        (pause, {"container": "IDLE", "which": "0%"}, "which: must be above 0%"),
        (pause, {"container": "IDLE", "which": "150%"}, "which: "),
        (pause, {"labels": ","}, "labels: ',' names none"),
        (pause, {"compose": "/web"}, "compose: '/web' is neither"),
        (kill, {"container": "IDLE", "signal": "SIGSTOP"}, "signal: 'SIGSTOP' is none of"),
        (stop, {"container": "IDLE", "grace": "1h"}, "grace: must be at most 300s"),
        (limit, {"container": "IDLE"}, "give cpus or memory"),
        (limit, {"container": "IDLE", "cpus": "0"}, "cpus: must be at least"),
        (limit, {"container": "IDLE", "cpus": "much"}, "cpus: 'much' is no number"),
        (limit, {"container": "IDLE", "memory": "1MiB"}, "memory: must be at least 6 MiB"),
        (fill_volume, {"container": "IDLE", "folder": "data", "share": "95%"}, "folder: data is no absolute path"),
        (
            fill_volume,
            {"container": "IDLE", "folder": "/a/../b", "share": "95%"},
            "folder: /a/../b is no absolute path",
        ),
        (fill_volume, {"container": "IDLE", "folder": "/"}, "give either share or size"),
        (fill_volume, {"container": "IDLE", "folder": "/", "share": "101%"}, "share"),
    ],
)
def test_what_makes_no_sense_is_told(idle, action, arguments, told):
    arguments = {name: idle.name if value == "IDLE" else value for name, value in arguments.items()}
    with pytest.raises(BadUsage, match=re.escape(told)):
        pinned(action, **arguments)


@pytest.mark.parametrize(
    ("action", "arguments", "told"),
    [
        (kill, {}, "has no restart policy that would start it again"),
        (disconnect, {"network": "elsewhere"}, "is not on the network elsewhere"),
        (limit, {"memory": "100GiB", "cpus": "0.5", "container": "nobody"}, "no running container is nobody"),
        (fill_volume, {"folder": "/nowhere", "share": "95%"}, "/nowhere"),
        (fill_volume, {"folder": "/", "size": "200GiB"}, "would not leave the floor"),
    ],
)
def test_what_cannot_be_hit_is_refused(idle, action, arguments, told):
    with pytest.raises(Refused, match=re.escape(told)):
        pinned(action, **{"container": idle.name, **arguments})


def test_what_stands_still_or_passes_away_is_refused(run):
    still = run(["sleep", "3600"], init=True)
    still.pause()
    for action in (pause, kill, stop, restart):
        with pytest.raises(Refused, match="is paused already, by an earlier run"):
            pinned(action, container=still.name)
    still.unpause()
    passing = run(["sleep", "3600"], auto_remove=True, init=True)
    with pytest.raises(Refused, match="is removed when it ends"):
        pinned(stop, container=passing.name)


def test_less_memory_than_is_in_use_is_refused(run):
    hungry = run(["python3", "-c", "import time\nx = bytearray(64 << 20)\nprint(1, flush=True)\ntime.sleep(3600)"])
    until(hungry.logs, "it has its memory")
    with pytest.raises(Refused, match="the kernel would kill it at once"):
        pinned(limit, container=hungry.name, memory="32MiB")


def test_a_daemon_that_does_not_answer_is_told_in_one_line(tmp_path):
    with pytest.raises(DaemonGone, match=r"^refused by docker: no Docker daemon answers at unix://\S+: No such file"):
        pinned(container="x", docker=f"unix://{tmp_path}/none.sock")


def test_the_container_through_which_the_daemon_is_reached_is_refused(run, docker_host, tmp_path):
    if not docker_host.startswith("unix://"):
        pytest.skip("the daemon is not on this machine")
    socket_file = docker_host.removeprefix("unix://")
    volumes = {
        str(tmp_path): {"bind": "/out", "mode": "rw"},
        socket_file: {"bind": "/daemon/docker.sock", "mode": "rw"},
    }
    proxy = run(["python3", "-u", "-c", PROXY], volumes=volumes)
    until(lambda: (tmp_path / "docker.sock").is_socket(), "it listens")
    with pytest.raises(Refused, match="is the one through which the Docker daemon is reached"):
        pinned(container=proxy.name, docker=f"unix://{tmp_path}/docker.sock")
    assert names(pinned(container=proxy.name)) == [proxy.name]
