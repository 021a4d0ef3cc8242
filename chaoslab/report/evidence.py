"""The files of a run folder, each with the digest that tells whether it was changed afterwards."""

import hashlib
from pathlib import Path

from chaoslab.report.model import Evidence

_MADE_FROM_IT = {"junit.xml"}


def evidence_of(folder: Path) -> list[Evidence]:
    """Return the files that a report of this folder rests on, in the order of their names.

    Reports themselves, hidden files, links and things that are no files are left out.
    """
    paths = sorted(path for path in folder.rglob("*") if _counts(path.relative_to(folder), path))
    return [_digested(path, path.relative_to(folder).as_posix()) for path in paths]


def is_report(name: str) -> bool:
    """Say whether a file of a run folder is made from the others."""
    return name.startswith("report.") or name in _MADE_FROM_IT


def _counts(relative: Path, path: Path) -> bool:
    hidden = any(part.startswith(".") for part in relative.parts)
    return not hidden and not is_report(relative.as_posix()) and not path.is_symlink() and path.is_file()


def _digested(path: Path, name: str) -> Evidence:
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256")
            return Evidence(path=name, sha256=digest.hexdigest(), bytes=file.tell())
    except OSError:
        return Evidence(path=name, sha256=None, bytes=None)
