"""A watchdog on the spot, for daemons elsewhere: a small container beside the one that is hit.

Our reaper lives on this machine. When that is lost, a container of another machine would stay paused, stopped, cut off
or squeezed for ever. So before such a fault a container is started there that holds the fault's undo, as requests to
the daemon's own socket, and makes them when the time-to-live is over. The undo removes it; else it removes itself.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from chaoslab.core.errors import ChaoslabError, Refused
from chaoslab.docker.client import GUARD, DaemonGone, talking
from chaoslab.docker.inside import run_inside
from chaoslab.docker.target import Container, describe, identity, is_here
from chaoslab.runtime.clock import CLOCK
from chaoslab.runtime.fault import Data

type Request = tuple[str, Mapping[str, Any]]
"""A path of the daemon's interface, and the body that is posted there."""

NONE = "none"
_SOCKETS = ("/var/run/docker.sock", "/run/podman/podman.sock")
"""Where a daemon listens on its own machine; ours may have another way to it."""
_GRACE_S = 1
"""The watchdog comes after the reaper: while that lives, it is the one that undoes."""
_READY_S = 30.0
_TRIES = 20
_CLIENT = "command -v curl >/dev/null || command -v python3 >/dev/null && echo yes; true"
_SCRIPT = """
speak() {
  if command -v curl >/dev/null; then
    curl -s -m 60 -w '\\n%{http_code}' --unix-socket /chaoslab.sock -H 'Content-Type: application/json' \\
      -X "$1" -d "$3" "http://daemon$2"
  else
    python3 -c '
import http.client, socket, sys
method, path, body = sys.argv[1:]
line = http.client.HTTPConnection("daemon", timeout=60)
line.sock = socket.socket(socket.AF_UNIX)
line.sock.settimeout(60)
line.sock.connect("/chaoslab.sock")
line.request(method, path, body, {"Content-Type": "application/json"})
answer = line.getresponse()
print(answer.read().decode(errors="replace"), answer.status, sep="\\n")' "$1" "$2" "$3"
  fi
}
told() { speak "$@" 2>&1 | tail -n 1; }
"""
_BEGIN = """
[ "$(told GET {known} '')" = 200 ] || {{ echo "the daemon at its socket does not know the container"; exit 0; }}
[ -f /due ] || echo $(($(date +%s) + {lasts})) >/due
echo ready
while [ "$(date +%s)" -lt "$(cat /due)" ]; do sleep 1; done
"""
_POST = """
code=$(told POST {path} {body})
case $code in [234]??) ;; *) echo "no answer to {about}: $code"; exit 1 ;; esac
"""
_END = """
told DELETE {me} ''
"""


def watch_for(address: str, chosen: Sequence[Mapping[str, Any]], watchdog: str, *, what: str) -> dict[str, Any]:
    """Return what a watchdog beside these containers needs, as JSON; `{}` where our reaper is on the spot.

    Args:
        address: of their daemon
        chosen: what the daemon says of them
        watchdog: an image at the daemon, with a shell and curl or python3; '' is the container's own; or `none`
        what: is done to them; with them it gives the watchdog its name

    Raises:
        Refused: no watchdog can stand there.
    """
    if watchdog == NONE or all(is_here(identity(attrs)) for attrs in chosen):
        return {}
    image = _image(address, chosen, watchdog)
    tag = hashlib.sha256(f"{what} {sorted(str(attrs['Id']) for attrs in chosen)}".encode()).hexdigest()[:12]
    return {"image": image, "name": f"chaoslab-watch-{tag}"}


def set_watchdog(client: Any, data: Data, wanted: Sequence[Container], requests: Sequence[Request]) -> None:
    """Start the watchdog of a fault, and return when it has found its daemon. Without one that is needed, do nothing.

    Args:
        client: of the daemon
        data: the fault's, with `watch` and `ttl_s`
        wanted: the containers that are hit
        requests: undo the fault

    Raises:
        Refused: it does not come up; nothing of it is left.
    """
    watch = data["watch"]
    if not watch:
        return
    version = f"/v{client.api.api_version}"
    posts = "".join(
        _POST.format(path=shlex.quote(version + path), body=shlex.quote(json.dumps(body)), about=path.split("?")[0])
        for path, body in requests
    )
    known = f"{version}/containers/{wanted[0].id}/json"
    begin = _BEGIN.format(known=known, lasts=math.ceil(data["ttl_s"]) + _GRACE_S)
    script = f"{_SCRIPT}{begin}{posts}{_END.format(me=f'{version}/containers/{watch["name"]}?force=1')}"
    said = ""
    for socket in _SOCKETS:
        said = _try(client, watch, script, socket)
        if not said:
            return
    raise Refused(
        GUARD,
        f"no watchdog can stand beside {wanted[0].text}, which runs on another machine: {said}; "
        "with watchdog: none, this machine alone keeps the time-to-live",
    )


def dismiss_watchdog(client: Any, data: Data) -> None:
    """Remove the watchdog of a fault, once that is undone; harmless when there is none."""
    if watch := data.get("watch"):
        _remove(client, watch["name"])


def _image(address: str, chosen: Sequence[Mapping[str, Any]], watchdog: str) -> str:
    """Return the id of the image that a watchdog is to have.

    Raises:
        Refused: it cannot be one.
    """
    told = (
        f"{describe(chosen)} runs on another machine, where a watchdog must stand, and its own image cannot be one; "
        "name one by watchdog: IMAGE, or accept by watchdog: none that this machine alone keeps the time-to-live"
    )
    try:
        with talking(address) as client:
            if watchdog:
                return str(client.api.inspect_image(watchdog)["Id"])
            if run_inside(client, identity(chosen[0]), _CLIENT) == "yes":
                return str(chosen[0]["Image"])
    except DaemonGone:
        raise
    except ChaoslabError as error:
        told = f"the daemon has no image {watchdog} for a watchdog" if watchdog else f"{told} ({error})"
    raise Refused(GUARD, told)


def _try(client: Any, watch: Mapping[str, str], script: str, socket: str) -> str:
    """Start it with one of the daemon's usual sockets; return '' when it is ready, else what is wrong."""
    from docker.errors import APIError

    _remove(client, watch["name"])  # of an earlier fault, which nobody dismissed
    try:
        made = client.containers.create(
            watch["image"],
            ["-c", script],
            entrypoint=["sh"],
            name=watch["name"],
            user="0",
            network_mode="none",
            working_dir="/",
            labels={"chaoslab.watch": "yes"},
            healthcheck={"test": ["NONE"]},
            restart_policy={"Name": "on-failure", "MaximumRetryCount": _TRIES},
            mounts=[{"Type": "bind", "Source": socket, "Target": "/chaoslab.sock"}],
        )
        made.start()
    except APIError as error:
        _remove(client, watch["name"])
        return str(error.explanation or error)
    until_s = CLOCK.mono() + _READY_S
    while CLOCK.mono() < until_s:
        said = made.logs(tail=3).decode(errors="replace").strip()
        if said.endswith("ready"):
            return ""
        made.reload()
        if made.status in {"exited", "dead"}:
            break
        CLOCK.sleep(0.05)
    said = made.logs(tail=3).decode(errors="replace").strip()
    _remove(client, watch["name"])
    return said.rpartition("\n")[2] or "it did not find the daemon in time"


def _remove(client: Any, name: str) -> None:
    from docker.errors import NotFound

    with contextlib.suppress(NotFound):
        client.api.remove_container(name, force=True, v=True)
