"""A real Docker daemon for the whole lane: the one that is reachable, or else our own, and the lab's image in it."""

import contextlib
import os
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CONTRACT = HERE.parent / "contract"
sys.path[:0] = [str(HERE / "support"), str(CONTRACT), str(CONTRACT / "support")]
pytest.register_assert_rewrite("conformance", "containers")

from containers import usual  # noqa: E402 - only now is everything on the path
from docker.errors import NotFound  # noqa: E402
from guest import (  # noqa: E402, F401 - four hooks
    bound_in,
    empty_image,
    is_guest,
    prepare,
    pytest_collection_finish,
    pytest_collection_modifyitems,
    pytest_runtest_protocol,
    pytest_sessionfinish,
)
from images import lesser_image  # noqa: E402

from chaoslab.docker.client import connect  # noqa: E402


def docker_lab(*words):
    """Run scripts/docker-lab and return what it printed."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(ROOT / "scripts" / "docker_lab.py"), *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=900)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@contextlib.contextmanager
def daemon():
    """Lend the address of a daemon, and say whether it is our own and may die."""
    with tempfile.TemporaryDirectory(prefix="cl-docker-", dir=prepare() if is_guest() else None) as folder:
        place = Path(folder, "d")
        try:
            told = docker_lab("start", place)
            yield told.partition("=")[2], (place if (place / "docker.pid").exists() else None)
        finally:
            docker_lab("stop", place)


@pytest.fixture(scope="session")
def docker_host():
    """The daemon's address, which is the usual one while the tests run."""
    before = os.environ.get("DOCKER_HOST")
    with daemon() as (address, _):
        os.environ["DOCKER_HOST"] = address
        try:
            yield address
        finally:
            os.environ.pop("DOCKER_HOST")
            if before is not None:
                os.environ["DOCKER_HOST"] = before


@pytest.fixture(scope="session")
def client(docker_host):
    """A client of the daemon."""
    made = connect(docker_host)
    yield made
    made.close()


@pytest.fixture(scope="session")
def image(client):
    """The lab's image; inside, where to load it takes a minute, one that runs the host's programs."""
    return empty_image(client) if is_guest() else docker_lab("image")


@pytest.fixture(scope="session")
def network(client):
    """A bridge of our own."""
    made = client.networks.create(f"chaoslab-test-{uuid.uuid4().hex[:8]}")
    yield made
    made.remove()


@pytest.fixture
def run(client, image, network):
    """Start containers on our bridge: `run(command, **options)`; they go when the test ends."""
    made = []

    def start(command, **options):
        name = options.pop("name", f"chaoslab-test-{uuid.uuid4().hex[:8]}")
        options = {"network": network.name, "init": False} | options
        options = usual(client) | options | {"volumes": bound_in() | options.get("volumes", {})}
        made.append(client.containers.run(options.pop("image", image), command, name=name, detach=True, **options))
        made[-1].reload()
        return made[-1]

    yield start
    for container in made:
        remove(container)


def remove(container):
    """Remove a container, if it is still there."""
    with contextlib.suppress(NotFound):
        container.remove(force=True, v=True)


@pytest.fixture(scope="class")
def keep(client, image, network):
    """Have one target for the tests of a class: `keep(make)`; it is made anew when the test before has broken it."""
    kept = []

    def start(command, **options):
        options = usual(client) | {"network": network.name} | options
        options["volumes"] = bound_in() | options.get("volumes", {})
        made = client.containers.run(options.pop("image", image), command, detach=True, **options)
        made.reload()
        return made

    def give(make):
        if not (kept and kept[-1].is_well()):
            for old in kept:
                old.close()
            kept[:] = [make(start)]
        return kept[-1]

    yield give
    for old in kept:
        old.close()


@pytest.fixture(scope="session")
def bare_image(client, image):
    """The lab's image without any program for firewalls or queues."""
    with lesser_image(
        client, image, "/usr/sbin/*tables*", "/usr/sbin/nft", "/usr/sbin/tc", "/usr/bin/fallocate"
    ) as name:
        yield name


@pytest.fixture(scope="session")
def image_without_nft(client, image):
    """The lab's image, with iptables alone."""
    with lesser_image(client, image, "/usr/sbin/nft") as name:
        yield name


@pytest.fixture
def caller(run, network):
    """Start containers that talk to a server of this machine all the time: `caller(**options)`."""
    from containers import Caller

    made = []

    def start(**options):
        made.append(Caller(run, network, **options))
        return made[-1]

    yield start
    for one in made:
        one.close()


@pytest.fixture
def session(tmp_path):
    """A run in progress."""
    from chaoslab.runtime.session import Session, has_session

    made = Session("docker", tmp_path / "run", state=tmp_path / "state")
    made.start({"id": "docker"})
    yield made
    if has_session():
        made.close("completed")


@pytest.fixture(scope="session")
def idle(client, image, network):
    """A container that does nothing, for whoever only looks at it."""
    name = f"chaoslab-test-{uuid.uuid4().hex[:8]}"
    made = client.containers.run(image, ["sleep", "3600"], name=name, detach=True, network=network.name, init=True)
    yield made
    made.remove(force=True)
