"""What is to be checked: files, names of the catalog, and every exercise in a folder."""

import itertools
import os
import re
import textwrap
from collections.abc import Iterator, Sequence
from functools import partial
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
_KIND = re.compile(rb"""^kind\s*:\s*["']?(\w+)""", re.MULTILINE)
_API_VERSION = re.compile(rb"^apiVersion\s*:", re.MULTILINE)
_BLOCK = re.compile(rb"""^( *)["']?[\w./-]+["']?\s*:\s*\|[-+0-9]*\s*$""")
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
    seen: set[tuple[Path, bytes]] = set()
    for name in names:
        for found in _folder(name) if os.path.isdir(name) else _one(name):
            key = (found.source.path.resolve(), found.source.text) if found.source else None
            if key is None or key not in seen:
                yield found
            if key is not None:
                seen.add(key)


def _one(name: str) -> Iterator[Gathered]:
    try:
        source = read(name)
    except BadUsage as error:
        yield Gathered(name, None, str(error))
        return
    if (kind := _manifest(source.text)) is None:
        yield Gathered(name, source)
        return
    inside = _inside(source)
    if not inside:
        yield Gathered(name, None, f"{name} is a Kubernetes manifest ({kind}) without a Chaos Toolkit experiment in it")
    for one in inside:
        yield Gathered(name, one)


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
        source = Source(path, text)
        sources = [source] if _manifest(text) is None else _inside(source)
        for one in sources:
            if one is not source or _looks_right(text):
                found += 1
                yield Gathered(str(path), one)
    if not found:
        yield Gathered(name, None, f"{name} is a folder without an experiment in it")


def _files(folder: Path) -> Iterator[Path]:
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in _LEFT_OUT)
        for name in sorted(files):
            path = Path(root, name)
            if name.endswith(_ENDINGS) and not name.startswith(".") and path.is_file():
                yield path


def _manifest(text: bytes) -> str | None:
    """Return the kind of a Kubernetes manifest, of the first where there are several; None for another file."""
    kind = _KIND.search(text)
    return kind[1].decode("utf-8", "replace") if kind and _API_VERSION.search(text) else None


def _inside(source: Source) -> list[Source]:
    """Return the experiments in the texts of a manifest, such as a ConfigMap; each at its own lines and columns."""
    found, lines = [], source.text.splitlines(keepends=True)
    for number, line in enumerate(lines):
        if (begins := _BLOCK.match(line)) is None:
            continue
        inner = itertools.takewhile(partial(_is_deeper, than=len(begins[1])), lines[number + 1 :])
        text = b"".join(inner)
        if _looks_right(textwrap.dedent(text.decode("utf-8", "replace")).encode()):
            found.append(source._replace(text=b"\n" * (number + 1) + text))
    return found


def _is_deeper(line: bytes, *, than: int) -> bool:
    return not line.strip() or len(line) - len(line.lstrip(b" ")) > than


def _looks_right(text: bytes) -> bool:
    if _A_RECORD.search(text):
        return False
    return bool(_IS_ONE.search(text)) or bool(_HAS_TITLE.search(text) and _HAS_METHOD.search(text))
