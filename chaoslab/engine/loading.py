"""Find catalog files by name, and load them: the shipped catalog, the user's own folders, and other packages.

A name is the file's own, without its ending (`database-blocked`), or for a drill that of its folder
(`postgres-restore`); `network/database-blocked` says the folder too. What the user has wins over what is shipped.
"""

import importlib.util
import os
import re
from collections.abc import Iterable, Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import NamedTuple

import chaoslab
from chaoslab.core.bounded import read_bounded
from chaoslab.core.document import MAX_CHARACTERS
from chaoslab.core.errors import BadUsage
from chaoslab.core.suggest import hint_for

GROUP = "chaoslab.catalog"
"""Entry points of packages that bring catalog files along: the value names the package that holds them."""
_ENDINGS = {".yaml", ".yml", ".json"}
_LOOKS_RIGHT = re.compile(r"""(?:^|[{,])\s*["']?(title|method|steady-state-hypothesis)["']?\s*:""", re.MULTILINE)


class CatalogEntry(NamedTuple):
    """A file of the catalog; it is not read yet."""

    name: str
    path: Path
    domain: str
    """The folder it lies in: `network`, `process`; `drills` for a drill."""
    source: str
    """Where it comes from: `own`, `chaoslab`, or the package that brings it."""

    @property
    def full_name(self) -> str:
        """The name with its folder, where the name alone may mean two files."""
        return f"{self.domain}/{self.name}"


class Source(NamedTuple):
    """The text of a catalog file, and where it lies."""

    path: Path
    text: bytes
    name: str = ""
    """Its name in the catalog; '' for a file that was named by its path."""

    @property
    def shown(self) -> str:
        """The path for people: relative where that is shorter."""
        relative = os.path.relpath(self.path)
        return relative if len(relative) < len(str(self.path)) else str(self.path)


def catalog() -> list[CatalogEntry]:
    """Return every file of the catalog by name; of those with one full name, only the first found."""
    found: dict[str, CatalogEntry] = {}
    for source, folder in _folders():
        for entry in _scan(folder, source):
            found.setdefault(entry.full_name, entry)
    return sorted(found.values(), key=lambda entry: (entry.name, entry.domain))


def find(name: str) -> Path:
    """Return the file that a name of the catalog, or a path, stands for.

    Raises:
        BadUsage: there is no such file or name, or the name means several.
    """
    if "://" in name:
        raise BadUsage(f"{name}: only files of this machine can be run; download it first")
    path = Path(name)
    if os.path.isfile(path):  # Path.is_file raises where a name is too long or a folder may not be entered
        return path
    entries = catalog()
    named = [entry for entry in entries if name in {entry.name, entry.full_name}]
    if len(named) > 1 and (own := [entry for entry in named if entry.source == "own"]):
        named = own
    if len(named) == 1:
        return named[0].path
    if named:
        raise BadUsage(f"'{name}' means several: {', '.join(entry.full_name for entry in named)}")
    if os.path.isdir(path):
        if drill := next(iter(sorted(path.glob("drill.*"))), None):
            return drill
        raise BadUsage(f"{name} is a folder without a drill.yaml; name a file")
    if os.path.exists(path):
        raise BadUsage(f"{name} is a pipe or a device; name a file")
    if path.suffix in _ENDINGS or len(path.parts) > 2:
        raise BadUsage(f"there is no file {name}")
    hint = hint_for(name, [entry.name for entry in entries])
    raise BadUsage(f"nothing in the catalog is called '{name}'; {hint or 'see `chaoslab list`'}")


def read(name: str) -> Source:
    """Read the file that a name of the catalog, or a path, stands for.

    Raises:
        BadUsage: there is none, or it cannot be read.
    """
    path = find(name)
    try:
        text = read_bounded(path, MAX_CHARACTERS)
    except OSError as error:
        raise BadUsage(f"cannot read {path}: {error.strerror or error}") from error
    return Source(path, text, "" if path == Path(name) else name)


def _folders() -> Iterator[tuple[str, Path]]:
    """Return the folders of the catalog, the user's own first; a folder that is met twice counts once."""
    seen: set[Path] = set()
    for source, folder in _all_folders():
        real = folder.resolve()
        if folder.is_dir() and real not in seen:
            seen.add(real)
            yield source, folder


def _all_folders() -> Iterator[tuple[str, Path]]:
    for folder in filter(None, os.environ.get("CHAOSLAB_CATALOG", "").split(os.pathsep)):
        yield from _inside("own", Path(folder))
    # In a source checkout the working folder is the shipped catalog itself, and that is what it is called.
    shipped = [folder for _, folder in _shipped() if folder.is_dir()]
    for name in ("experiments", "drills"):
        if not any(folder.samefile(name) for folder in shipped if Path(name).is_dir()):
            yield "own", Path(name)
    yield from _shipped()
    for point in entry_points(group=GROUP):
        for found in _package_folders(point.module):
            yield from _inside(point.module, found)


def _shipped() -> Iterator[tuple[str, Path]]:
    package = Path(chaoslab.__file__).parent
    root = package / "catalog" if (package / "catalog").is_dir() else package.parent
    yield "chaoslab", root / "experiments"
    yield "chaoslab", root / "drills"


def _inside(source: str, folder: Path) -> Iterator[tuple[str, Path]]:
    """Return a folder's `experiments` and `drills`, or the folder itself when it has neither."""
    parts = [folder / name for name in ("experiments", "drills") if (folder / name).is_dir()]
    for part in parts or [folder]:
        yield source, part


def _package_folders(module: str) -> Iterable[Path]:
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return []  # the package is gone, its entry point is left: nothing of it can be run
    return [Path(folder) for folder in spec.submodule_search_locations or ()] if spec else []


def _scan(folder: Path, source: str) -> Iterator[CatalogEntry]:
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith((".", "_")) for part in path.relative_to(folder).parts)
        if path.suffix not in _ENDINGS or hidden or not path.is_file():
            continue
        if path.stem == "drill" and path.parent != folder:
            yield CatalogEntry(path.parent.name, path, "drills", source)
        elif _looks_right(path):
            yield CatalogEntry(path.stem, path, path.parent.name, source)


def _looks_right(path: Path) -> bool:
    """Tell an exercise from other files that lie beside it; one with mistakes in it is still one."""
    try:
        return _LOOKS_RIGHT.search(read_bounded(path, MAX_CHARACTERS).decode("utf-8", "replace")) is not None
    except OSError:
        return True  # that it cannot be read is told when it is wanted
