"""The image of the lab's containers, made from Debian's own packages where no image can be pulled."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from chaoslab.core.errors import ChaoslabError
from chaoslab.runtime.places import temporary_folder

VARIABLE = "CHAOSLAB_LAB_IMAGE"
SUITE = "trixie"
"""Debian 13: the first with a Python that is new enough for the lab's service."""
PACKAGES = ("python3", "python3-psycopg", "python3-redis", "iproute2", "iptables", "nftables")
BUILD_S = 900.0
CLEAN = ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/locale", "usr/share/man", "var/log")
Tell = Callable[[str], None]


def ensure_image(client: Any, *, tell: Tell = lambda _: None) -> str:
    """Return the name of the lab's image at a daemon; it is made and loaded when it is not there.

    `$CHAOSLAB_LAB_IMAGE` names another one that is there already: with Python 3.12 or newer and psycopg.

    Raises:
        ChaoslabError: it is not there and cannot be made.
    """
    given = os.environ.get(VARIABLE, "")
    name = given or f"chaoslab/lab:{_recipe()}"
    if client.images.list(name=name):
        return name
    if given:
        raise ChaoslabError(f"{VARIABLE}={given}: the Docker daemon has no such image; pull it first")
    layer = cached_layer(tell)
    tell("loading the lab's image into the Docker daemon")
    repository, _, tag = name.partition(":")
    said = client.api.import_image_from_file(str(layer), repository=repository, tag=tag, changes=["CMD python3"])
    client.api.tag(json.loads(said.splitlines()[-1])["status"], repository, tag)  # which Podman does not do by itself
    return name


def cached_layer(tell: Tell) -> Path:
    """Return the image's file system as a tar, from the cache or newly made.

    Raises:
        ChaoslabError: it cannot be made here.
    """
    place = _cache() / f"lab-image-{_recipe()}.tar"
    if place.exists():
        return place
    if os.geteuid() != 0 or shutil.which("debootstrap") is None:
        raise ChaoslabError(
            f"the lab's image cannot be made here: that takes root and debootstrap; or set {VARIABLE} to an image "
            "with Python 3.12 or newer and psycopg"
        )
    tell(f"making the lab's image from Debian {SUITE} (about a minute; log: {place.with_suffix('.log')})")
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="chaoslab-image-", dir=temporary_folder()) as folder:
        root = Path(folder, "root")
        made = place.with_suffix(f".{os.getpid()}.new")
        words = ["debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", SUITE, str(root)]
        _run(words, place.with_suffix(".log"))
        for name in CLEAN:
            shutil.rmtree(root / name, ignore_errors=True)
            (root / name).mkdir(parents=True, exist_ok=True)
        _run(["tar", "-C", str(root), "-cf", str(made), "."], place.with_suffix(".log"))
        made.replace(place)
    return place


def _run(words: list[str], log: Path) -> None:
    with log.open("ab") as stream:
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, timeout=BUILD_S, check=False
        )
    if done.returncode:
        raise ChaoslabError(f"the lab's image cannot be made: {words[0]} ended with {done.returncode}; see {log}")


def _recipe() -> str:
    """Return a short digest of all that decides what is in the image."""
    return f"{SUITE}-{hashlib.sha256(repr((SUITE, PACKAGES, CLEAN)).encode()).hexdigest()[:8]}"


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "chaoslab"
