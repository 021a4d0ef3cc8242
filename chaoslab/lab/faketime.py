"""The lab's service under libfaketime: its clock can be moved, and is right as long as nobody does."""

from __future__ import annotations

from pathlib import Path

from chaoslab.core.errors import Missing
from chaoslab.lab.home import Home

_LIBRARY = "libfaketimeMT.so.1"
_FOLDERS = ("/usr/lib", "/usr/lib64", "/usr/local/lib")
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


def _library() -> Path:
    for folder in _FOLDERS:
        for pattern in (f"faketime/{_LIBRARY}", f"*/faketime/{_LIBRARY}"):
            for found in sorted(Path(folder).glob(pattern)):
                return found
    raise Missing("libfaketime", _REMEDY)
