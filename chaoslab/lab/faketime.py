"""The lab's service under libfaketime: its clock can be moved, and is right as long as nobody does."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from chaoslab.core.errors import Missing
from chaoslab.lab.home import Home

_LIBRARY = "libfaketimeMT.so.1"
_FOLDERS = ("/usr/lib", "/usr/lib64", "/usr/local/lib")
_SHARED = Path("/dev/shm")  # noqa: S108 - the library's choice
_REMEDY = "install it (Debian: apt-get install libfaketime)"


def wrapped(place: Home, command: tuple[str, ...], *, wanted: bool) -> tuple[str, ...]:
    """Return the command of the service, preloaded with the library if that is wanted or was so before.

    `env` becomes the service, which keeps its pid; the supervisor above it has the machine's own clock.

    Raises:
        Missing: the library is not installed.
    """
    if not (wanted or place.clock.parent.exists()):
        return command
    library = _library()
    place.clock.parent.mkdir(mode=0o700, exist_ok=True)
    settings = {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(place.clock),  # as long as it is not there, the clock is right
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    return ("env", *(f"{name}={value}" for name, value in settings.items()), *command)


def clear_shared_memory() -> None:
    """Remove what the library keeps in shared memory for processes of ours that were killed, and that nobody uses."""
    for path in _SHARED.glob("*faketime_s*_*"):
        pid = path.name.rpartition("_")[2]
        with suppress(OSError):
            if path.stat().st_uid == os.getuid() and not Path(f"/proc/{pid}").exists() and path.name not in _mapped():
                path.unlink()


def _mapped() -> str:
    """Return what processes have mapped: children go on using their parent's, whose name they have inherited."""
    texts = []
    for maps in Path("/proc").glob("[0-9]*/maps"):
        with suppress(OSError):
            texts += [line for line in maps.read_text().splitlines() if "faketime" in line]
    return "\n".join(texts)


def _library() -> Path:
    for folder in _FOLDERS:
        for pattern in (f"faketime/{_LIBRARY}", f"*/faketime/{_LIBRARY}"):
            for found in sorted(Path(folder).glob(pattern)):
                return found
    raise Missing("libfaketime", _REMEDY)
