"""What is to be checked: files, names of the catalog, and every exercise in a folder."""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from chaoslab.core.document import MAX_CHARACTERS
from chaoslab.core.errors import BadUsage
from chaoslab.engine.loading import Source, read

_ENDINGS = (".yaml", ".yml", ".json")
_LEFT_OUT = ("node_modules", "__pycache__", "site-packages")
_IS_ONE = re.compile(rb"""^steady-state-hypothesis\s*:|["']steady-state-hypothesis["']\s*:""", re.MULTILINE)
_HAS_TITLE = re.compile(rb"""^title\s*:|["']title["']\s*:""", re.MULTILINE)
_HAS_METHOD = re.compile(rb"""["']method["']\s*:\s*\[|^method\s*:\s*(\[|$|#)""", re.MULTILINE)
_A_RECORD = re.compile(rb"""["']?(steady_states|chaoslib-version)["']?\s*:""")
"""A journal holds the file that was run, and is none itself."""


class Gathered(NamedTuple):
    """One file to check, or why there is none."""

    name: str
    source: Source | None
    problem: str = ""


def gather(names: Sequence[str]) -> Iterator[Gathered]:
    """Yield every file that the names stand for, each once.

    Args:
        names: files, folders, names of the catalog
    """
    seen: set[Path] = set()
    for name in names:
        for found in _folder(name) if Path(name).is_dir() else _one(name):
            real = found.source.path.resolve() if found.source else None
            if real is None or real not in seen:
                yield found
            if real is not None:
                seen.add(real)


def _one(name: str) -> Iterator[Gathered]:
    try:
        yield Gathered(name, read(name))
    except BadUsage as error:
        yield Gathered(name, None, str(error))


def _folder(name: str) -> Iterator[Gathered]:
    """Yield the exercises below a folder; other YAML and JSON beside them is none of our business."""
    found = 0
    for path in _files(Path(name)):
        try:
            if path.stat().st_size > MAX_CHARACTERS:
                continue  # data, and no exercise
            text = path.read_bytes()
        except OSError as error:
            found += 1
            yield Gathered(str(path), None, f"cannot read {path}: {error.strerror or error}")
            continue
        if _looks_right(text):
            found += 1
            yield Gathered(str(path), Source(path, text))
    if not found:
        yield Gathered(name, None, f"{name} is a folder without an experiment in it")


def _files(folder: Path) -> Iterator[Path]:
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in _LEFT_OUT)
        for name in sorted(files):
            path = Path(root, name)
            if name.endswith(_ENDINGS) and not name.startswith(".") and path.is_file():
                yield path


def _looks_right(text: bytes) -> bool:
    if _A_RECORD.search(text):
        return False
    return bool(_IS_ONE.search(text)) or bool(_HAS_TITLE.search(text) and _HAS_METHOD.search(text))
