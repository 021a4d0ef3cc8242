"""A file of ours in a container that does not run: removed from this machine's side, where its disk lies here."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import PurePosixPath
from typing import Any


def remove_from_here(attrs: Mapping[str, Any], file: str) -> bool:
    """Remove a file of a container that does not run; return whether nothing is left of it.

    What was in memory is gone with the container. Links are not followed: in a container they mean other places.

    Args:
        attrs: what the daemon says of the container
        file: its path in the container
    """
    for kind, root, rest in _places(attrs, PurePosixPath(file)):
        if kind == "tmpfs":
            return True
        with suppress(OSError):
            return _remove(root, rest)
    return False


def _places(attrs: Mapping[str, Any], file: PurePosixPath) -> Iterator[tuple[str, str, PurePosixPath]]:
    """Yield where a file may lie: in the innermost mount that holds it, or in the container's own layer."""
    mounts = [(PurePosixPath(one["Destination"]), one["Type"], one.get("Source", "")) for one in attrs["Mounts"]]
    mounts += [(PurePosixPath(path), "tmpfs", "") for path in attrs["HostConfig"].get("Tmpfs") or ()]
    mounts.append((PurePosixPath("/dev"), "tmpfs", ""))
    holding = [mount for mount in mounts if file.is_relative_to(mount[0])]
    if holding:
        destination, kind, source = max(holding, key=lambda mount: len(mount[0].parts))
        yield kind, source, file.relative_to(destination)
        return
    layer = (attrs["GraphDriver"].get("Data") or {}).get("UpperDir", "") if attrs.get("GraphDriver") else ""
    yield "layer", layer, file.relative_to("/")


def _remove(root: str, rest: PurePosixPath) -> bool:
    """Remove a file below a folder, step by step, so that no link leads elsewhere.

    Raises:
        OSError: the folder is not here, or a step is none.
    """
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    folder = os.open(root, flags)
    try:
        for part in rest.parts[:-1]:
            below = os.open(part, flags, dir_fd=folder)
            os.close(folder)
            folder = below
        with suppress(FileNotFoundError):
            os.unlink(rest.name, dir_fd=folder)
    finally:
        os.close(folder)
    return True
