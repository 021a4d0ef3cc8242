"""The connection to a Docker daemon, or to Podman's socket, which speaks the same language."""

from __future__ import annotations

import contextlib
import importlib
import os
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from chaoslab.core.errors import ChaoslabError, Missing, Refused, one_line
from chaoslab.core.masking import mask_passwords
from chaoslab.core.needs import NEEDS

GUARD = "docker"
SDK = ("docker",)
"""What an undo imports first, and what takes longer than most undos."""
TIMEOUT_S = 20.0
"""How long any answer of a daemon may take; a stop or restart may take its grace longer."""
_KNOCK_S = 5.0
_WITH_TLS = ("tcp://", "https://")
_CERTIFICATES = "#certs="
_UNVERIFIED = ",unverified"
_ANY_VERSION = "1.24"
"""What every daemon understands, to ask it for its own."""


class DaemonGone(Refused):
    """The daemon does not answer: what stands in its containers stays open until it does."""


class NoContainer(ChaoslabError):
    """There is no such container any more."""


def address_of(docker: str) -> str:
    """Return the address of the daemon that is meant: the one given, `DOCKER_HOST`, or the first usual socket there is.

    It goes into the ledger, so that an undo from another shell asks the same daemon: with the folder of its
    certificates too, `tcp://host:2376#certs=/folder`, where `DOCKER_TLS_VERIFY` and `DOCKER_CERT_PATH` ask for them.
    """
    given = docker or os.environ.get("DOCKER_HOST", "")
    if given:
        given = f"unix://{given}" if given.startswith("/") else given
        return given + _certificates() if given.startswith(_WITH_TLS) and _CERTIFICATES not in given else given
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
    url, _, certificates = address.partition(_CERTIFICATES)
    try:
        docker: Any = importlib.import_module("docker")
    except ImportError as error:
        raise Missing("docker", NEEDS["docker"]) from error
    try:
        given = {"base_url": url, "timeout": int(timeout_s)}
        if url.startswith("ssh://"):
            client = _over_ssh(docker, url, timeout_s)
        elif certificates:
            client = _with_tls(docker.DockerClient(tls=_tls(docker, certificates), version=_ANY_VERSION, **given))
        else:
            client = docker.DockerClient(version="auto", **given)
        client.ping()
    except DaemonGone:
        raise
    except Exception as error:  # whatever a client says on its way: requests, urllib3 and docker have no common root
        raise DaemonGone(GUARD, _no_answer(address, _reason(error))) from error
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


def post(client: Any, path: str, body: Mapping[str, Any]) -> None:
    """Post to the daemon what its package has no words for."""
    url = f"{client.api.base_url}/v{client.api.api_version}{path}"
    client.api._raise_for_status(client.api.post(url, json=dict(body), timeout=TIMEOUT_S))


def _certificates() -> str:
    """Return what the environment says of certificates, as the end of an address; '' when it says nothing."""
    folder, verify = os.environ.get("DOCKER_CERT_PATH", ""), os.environ.get("DOCKER_TLS_VERIFY", "")
    if not (folder or verify):
        return ""
    place = Path(folder).absolute() if folder else Path.home() / ".docker"
    return f"{_CERTIFICATES}{place}" + ("" if verify else _UNVERIFIED)


def _with_tls(client: Any) -> Any:
    """Have a client go by its own certificates: `REQUESTS_CA_BUNDLE` of the environment would be stronger than they."""
    from requests.utils import get_environ_proxies

    client.api.proxies = get_environ_proxies(client.api.base_url)
    client.api.trust_env = False
    client.api._version = client.api._retrieve_server_version()
    return client


def _over_ssh(docker: Any, url: str, timeout_s: float) -> Any:
    """Have a client go through `ssh`.

    Raises:
        DaemonGone: what `ssh` said of its going wrong.
    """
    from chaoslab.docker.ssh import SshAdapter

    adapter = SshAdapter(url, timeout_s=timeout_s)
    client = docker.DockerClient(base_url="unix:///ssh", version=_ANY_VERSION, timeout=int(timeout_s))
    client.api.mount("http+docker://", adapter)
    try:
        client.api._version = client.api._retrieve_server_version()
    except Exception as error:
        said = adapter.said()
        client.close()
        if not said:
            raise
        raise DaemonGone(GUARD, _no_answer(url, one_line(said, longest=200))) from error
    return client


def _tls(docker: Any, certificates: str) -> Any:
    verify = not certificates.endswith(_UNVERIFIED)
    folder = Path(certificates.removesuffix(_UNVERIFIED))
    pair = (str(folder / "cert.pem"), str(folder / "key.pem"))
    return docker.tls.TLSConfig(client_cert=pair, ca_cert=str(folder / "ca.pem") if verify else None, verify=verify)


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
            raise DaemonGone(GUARD, _no_answer(address, error.strerror or str(error))) from error


def _no_answer(address: str, why: str) -> str:
    return f"no Docker daemon answers at {mask_passwords(address)}: {why}"


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
