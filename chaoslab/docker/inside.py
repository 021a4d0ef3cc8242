"""Programs of the container itself, by `docker exec`, and a watchdog on the spot: also where its daemon is elsewhere.

The watchdog is a shell in the container that undoes when the time-to-live is over, even if the run, its reaper, this
machine and the connection to the daemon are gone by then.
"""

from __future__ import annotations

import math
from typing import Any

from chaoslab.core.errors import ChaoslabError
from chaoslab.docker.target import Container

_WATCH = """: chaoslab-watch-{tag}
n={lasts}; while [ "$n" -gt 0 ]; do sleep 1; n=$((n - 1)); done
{undo}
"""
_DISMISS = """
t=chaoslab-watch
for p in /proc/[0-9]*; do
  l=; read -r l <"$p/cmdline" 2>/dev/null
  case $l in *"$t-{tag}"*) kill "${{p#/proc/}}" 2>/dev/null ;; esac
done
"""
_GRACE_S = 1
"""The watchdog comes after the reaper: while that lives, it is the one that undoes."""


def run_inside(client: Any, container: Container, script: str, *, privileged: bool = False) -> str:
    """Run a shell script in a container as its root, with all rights if `privileged`; return what it printed.

    Raises:
        ChaoslabError: it failed, or the container has no shell; with its last line.
    """
    made = client.api.exec_create(container.id, ["sh", "-c", script], user="0", privileged=privileged)
    output = client.api.exec_start(made["Id"])
    code = client.api.exec_inspect(made["Id"])["ExitCode"]
    said = output.decode(errors="replace").strip()
    if code:
        raise ChaoslabError(f"{container.text}: a command inside ended with {code}: {said.rpartition(chr(10))[2]}")
    return str(said)


def set_watch(
    client: Any, container: Container, tag: str, undo: str, *, ttl_s: float, privileged: bool = False
) -> None:
    """Have a shell in a container run a script when the time-to-live is over, whoever is still there by then.

    Args:
        client: of the daemon
        container: where
        tag: by which `dismissal` finds it
        undo: the script
        ttl_s: seconds; the watchdog comes a moment later than the reaper
        privileged: whether the script needs more rights than the container has
    """
    words = ["sh", "-c", _WATCH.format(tag=tag, lasts=math.ceil(ttl_s) + _GRACE_S, undo=undo)]
    asked = {"user": "0", "privileged": privileged, "stdout": False, "stderr": False}
    made = client.api.exec_create(container.id, words, **asked)
    client.api.exec_start(made["Id"], detach=True)


def dismissal(tag: str) -> str:
    """Return a script that sends a watchdog home."""
    return f"{_DISMISS.format(tag=tag)}\ntrue"
