"""The lab's service as a container, `appointment-service`, as the platform runs it: its PostgreSQL on port 5432."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import chaoslab
from chaoslab.core.errors import ChaoslabError
from chaoslab.docker.client import address_of, talking
from chaoslab.lab import parts
from chaoslab.lab.answers import health
from chaoslab.lab.databases import LabFailed
from chaoslab.lab.description import module
from chaoslab.lab.home import Home
from chaoslab.lab.image import ensure_image
from chaoslab.lab.parts import Part
from chaoslab.lab.server import Tell

NAME = "appointment-service"
LABEL = "chaoslab.lab"
PORT = 8082
DATABASE_PORT = 5432
ENTRANCE = "docker-entrance"
CODE = "/opt/chaoslab"
VOLUME = "/var/lib/appointments"
VOLUME_SIZE = "16m"
READY_S = 60.0


def start(place: Home, database_url: str, tell: Tell) -> dict[str, Any]:
    """See to the service's container, its network and the way from there to the database; describe them.

    Args:
        place: the lab's folder
        database_url: where the service outside of containers finds its database
        tell: is called with one line for people at each step that takes time

    Raises:
        LabFailed: it does not come up, or somebody else has a container of its name.
        Refused: no Docker daemon answers.
    """
    known = place.read("docker.json")
    daemon = str(known.get("docker") or address_of(""))
    with talking(daemon) as client:
        image = ensure_image(client, tell=tell)
        network = _network(client, place)
        gateway = str(network.attrs["IPAM"]["Config"][0]["Gateway"])
        place.write("docker.json", {"docker": daemon, "network": network.id})
        _entrance(place, gateway, database_url)
        port = place.port("docker", in_use=_of_ours(client, place) is not None)
        container = _container(client, place, image=image, network=network, port=port, database_url=database_url)
    url = f"http://127.0.0.1:{port}"
    if not parts.becomes(lambda: health(url) == 200, READY_S):
        raise LabFailed(f"the container {NAME} does not answer at {url}; `docker logs {NAME}` says why")
    tell(f"the container {NAME} answers at {url}")
    return {
        "container": NAME,
        "id": container.id,
        "url": url,
        "health": f"{url}/actuator/health",
        "metrics": f"{url}/metrics",
        "network": network.name,
        "database": f"{gateway}:{DATABASE_PORT}",
        "volume": VOLUME,
        "docker": daemon,
        "image": image,
    }


def is_wanted(place: Home) -> bool:
    """Say whether a lab was started with it and not stopped since."""
    return (place.path / "docker.json").exists()


def stop(place: Home) -> None:
    """Remove the container, its network and the way to the database. Harmless when there is nothing.

    Raises:
        LabFailed: the daemon does not answer, so that the container stays.
    """
    known = place.read("docker.json")
    if not known:
        return
    try:
        with talking(str(known["docker"])) as client:
            found = _of_ours(client, place)
            if found is not None:
                found.remove(force=True, v=True)
            for network in client.networks.list(filters={"label": f"{LABEL}={place.path}"}):
                network.remove()
    except ChaoslabError as error:
        raise LabFailed(f"the container {NAME} cannot be removed: {error}") from error
    parts.stop(place, ENTRANCE)
    for name in ("docker.json", f"{ENTRANCE}.sock"):
        (place.path / name).unlink(missing_ok=True)


def problems(place: Home, known: dict[str, Any]) -> list[str]:
    """Return what is wrong with the container."""
    wrong = [] if parts.running(place, ENTRANCE) else ["the container's way to the database does not run"]
    code = health(str(known["url"]))
    if code != 200:
        wrong.append(f"the container {NAME} {'says it is down' if code else 'does not answer'}")
    return wrong


def _network(client: Any, place: Home) -> Any:
    """Return the lab's own bridge, made when it is not there."""
    found = client.networks.list(filters={"label": f"{LABEL}={place.path}"})
    if found:
        return found[0]
    name = f"chaoslab-lab-{hashlib.sha256(str(place.path).encode()).hexdigest()[:8]}"
    made = client.networks.create(name, driver="bridge", labels={LABEL: str(place.path)})
    made.reload()
    return made


def _entrance(place: Home, gateway: str, database_url: str) -> None:
    """Let the container reach the database, which listens on loopback only, at the bridge's own address."""
    control = place.path / f"{ENTRANCE}.sock"
    listen, upstream = f"{gateway}:{DATABASE_PORT}", urlsplit(database_url).netloc.rpartition("@")[2]
    command = module("network.proxy", "--listen", listen, "--upstream", upstream, "--control", str(control))
    parts.ensure(place, Part(ENTRANCE, command), control.exists)


def _of_ours(client: Any, place: Home) -> Any:
    """Return the lab's container, or None.

    Raises:
        LabFailed: a container of this name is not the lab's.
    """
    for found in client.containers.list(all=True, ignore_removed=True, filters={"name": f"^/{NAME}$"}):
        if found.labels.get(LABEL) == str(place.path):
            return found
        raise LabFailed(f"there is a container {NAME} already, which is not this lab's; remove or rename it")
    return None


def _container(client: Any, place: Home, *, image: str, network: Any, port: int, database_url: str) -> Any:
    """Return the running container; one that was made otherwise is replaced."""
    gateway = str(network.attrs["IPAM"]["Config"][0]["Gateway"])
    parts_of_url = urlsplit(database_url)
    who = parts_of_url.netloc.rpartition("@")[0]
    inside = urlunsplit(parts_of_url._replace(netloc=f"{who}@{gateway}:{DATABASE_PORT}"))
    options: dict[str, Any] = {
        "name": NAME,
        "environment": {"DATABASE_URL": inside, "PYTHONPATH": CODE, "PYTHONDONTWRITEBYTECODE": "1"},
        "volumes": {str(Path(chaoslab.__file__).parent): {"bind": f"{CODE}/chaoslab", "mode": "ro"}},
        "tmpfs": {VOLUME: f"size={VOLUME_SIZE}"},
        "ports": {f"{PORT}/tcp": ("127.0.0.1", port)},
        "restart_policy": {"Name": "always"},
        "network": network.name,
        "cap_add": ["NET_ADMIN"],
    }
    command = ["python3", "-m", "chaoslab.lab.service", "--listen", f"0.0.0.0:{PORT}"]
    made = hashlib.sha256(json.dumps([image, options, command], sort_keys=True).encode()).hexdigest()
    found = _of_ours(client, place)
    if found is not None:
        if found.labels.get(f"{LABEL}.made") == made and found.status == "running":
            return found
        found.remove(force=True, v=True)
    labels = {LABEL: str(place.path), f"{LABEL}.made": made, "app": NAME}
    return client.containers.run(image, command, detach=True, labels=labels, **options)
