"""Which processes of this machine were started with some words."""

import contextlib
from pathlib import Path


def processes_with(*words):
    """Return the processes whose commands have these words, one after the other; the last may go on."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if "\0".join(words) in (folder / "cmdline").read_text():
                found.append(int(folder.name))
    return found
