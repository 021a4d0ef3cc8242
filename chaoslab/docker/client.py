"""The connection to a Docker daemon, or to Podman's socket, which speaks the same language."""

from __future__ import annotations

import contextlib
import importlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chaoslab.core.errors import ChaoslabError, Missing, Refused, one_line
from chaoslab.core.needs import NEEDS

GUARD = "docker"
SDK = ("docker",)
"""What an undo imports first, and what takes longer than most undos."""
TIMEOUT_S = 20.0
"""How long any answer of a daemon may take; a stop or restart may take its grace longer."""
_KNOCK_S = 5.0
_SCHEMES = ("unix://", "tcp://", "http://", "https://", "ssh://")


class DaemonGone(Refused):
    """The daemon does not answer: what stands in its containers stays open until it does."""


class NoContainer(ChaoslabError):
    """There is no such container any more."""


def address_of(docker: str) -> str:
    """Return the address of the daemon that is meant: the one given, `DOCKER_HOST`, or the first usual socket there is.

    It goes into the ledger, so that an undo from another shell asks the same daemon.
    """
    given = docker or os.environ.get("DOCKER_HOST", "")
    if given:
        return given if given.startswith(_SCHEMES) or not given.startswith("/") else f"unix://{given}"
    runtime = os.environ.get("XDG_RUNTIME_DIR", f"/run/user/{os.geteuid()}")
    places = (
        "/var/run/docker.sock",
        f"{runtime}/docker.sock",
        f"{runtime}/podman/podman.sock",
        "/run/podman/podman.sock",
    )
    found = next((place for place in places if Path(place).is_socket()), places[0])
    return f"unix://{found}"


def connect(address: str, *, timeout_s: float = TIMEOUT_S) -> Any:
    """Return a client of the daemon at an address, once it has answered.

    Raises:
        Missing: the package is not installed.
        DaemonGone: the daemon does not answer.
    """
    _knock(address)
    try:
        docker: Any = importlib.import_module("docker")
    except ImportError as error:
        raise Missing("docker", NEEDS["docker"]) from error
    try:
        tls = docker.utils.kwargs_from_env().get("tls") if address.startswith(("tcp://", "https://")) else None
        client = docker.DockerClient(
            base_url=address, timeout=int(timeout_s), tls=tls or False, use_ssh_client=True, version="auto"
        )
        client.ping()
    except (
        Exception
    ) as error:  # whatever a client says on its way: requests, urllib3, paramiko and docker have no common root
        raise DaemonGone(GUARD, f"no Docker daemon answers at {address}: {_reason(error)}") from error
    return client


@contextlib.contextmanager
def talking(address: str, *, timeout_s: float = TIMEOUT_S) -> Iterator[Any]:
    """Lend a client, and tell what goes wrong between it and the daemon in one line.

    Raises:
        DaemonGone: the daemon does not answer, or stopped to.
        NoContainer: there is no such container any more.
        ChaoslabError: the daemon says no.
    """
    client = connect(address, timeout_s=timeout_s)
    from docker.errors import APIError, NotFound
    from requests.exceptions import RequestException

    try:
        yield client
    except NotFound as error:
        raise NoContainer(f"Docker: {_reason(error)}") from error
    except APIError as error:
        raise ChaoslabError(f"Docker says no: {_reason(error)}") from error
    except RequestException as error:
        raise DaemonGone(GUARD, f"the Docker daemon at {address} stopped answering: {_reason(error)}") from error
    finally:
        client.close()


def _knock(address: str) -> None:
    """See whether somebody listens on a socket of this machine, before anything heavy is loaded.

    Raises:
        DaemonGone: nobody does.
    """
    if not address.startswith("unix://"):
        return
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(_KNOCK_S)
        try:
            client.connect(address.removeprefix("unix://"))
        except OSError as error:
            raise DaemonGone(GUARD, f"no Docker daemon answers at {address}: {error.strerror or error}") from error


def _reason(error: Exception) -> str:
    """Return what the daemon said, or else the system's own word for why nobody answers."""
    said = getattr(error, "explanation", None)
    if not said:
        seen: list[BaseException] = [error]
        for one in seen:
            reasons = (one.__cause__, one.__context__, *(arg for arg in one.args if isinstance(arg, BaseException)))
            seen += [reason for reason in reasons if reason is not None and reason not in seen]
        said = next((one.strerror for one in seen if isinstance(one, OSError) and one.strerror), None)
    return one_line(str(said or error), longest=200)
