"""The responder's process, as the fault sees it: started, counted, found by its fault's name, and ended."""

import json
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from chaoslab.network.namespace import Place, run_in
from chaoslab.runtime.identity import ProcessIdentity, identify
from chaoslab.runtime.places import private_folder, state_folder

_MODULE = "chaoslab.network.dns_responder"
_READY_WITHIN_S = 30.0
_ENDS_WITHIN_S = 5.0


def status_file(table: str) -> Path:
    """Return where a responder counts what it hit."""
    return state_folder() / "dns" / table


def start(place: Place, table: str, order: Mapping[str, Any]) -> list[int]:
    """Start a responder in a place and return its ports, one for each real server, once it listens.

    Raises:
        Gone: that very namespace is no more.
        ProgramFailed: it does not start.
    """
    private_folder(Path(order["status"]).parent)
    said = run_in(place, [sys.executable, "-m", _MODULE, table], stdin=json.dumps(order), deadline_s=_READY_WITHIN_S)
    ports: list[int] = json.loads(said)
    return ports


def hits(status: str) -> int:
    """Return how many questions were hit; 0 when it has not counted any."""
    try:
        return int(Path(status).read_text() or 0)
    except (OSError, ValueError):
        return 0


def end(table: str, status: str) -> None:
    """End a responder, however it stands with it; harmless when there is none."""
    while found := _of(table):  # again, for one may just have gone into the background
        for identity in found:
            identity.kill(within_s=_ENDS_WITHIN_S)
    Path(status).unlink(missing_ok=True)


def _of(table: str) -> list[ProcessIdentity]:
    """Return who serves a fault: its name is the last word of their command."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError):
            words = Path(f"/proc/{name}/cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
            identity = identify(int(name)) if words[-2:] == [_MODULE, table] else None
            if identity and identity.is_alive():
                found.append(identity)
    return found
