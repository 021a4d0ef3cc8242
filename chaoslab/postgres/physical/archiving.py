"""Let a server of ours archive its WAL into a folder, safely."""

from __future__ import annotations

import shlex
from pathlib import Path


def archive_command(archive: Path) -> str:
    """Return the `archive_command` that copies a segment into a folder.

    A file appears under its name only when all of it is on the disk. One that is there already is never replaced: the
    command succeeds when it holds the same, as PostgreSQL asks for after a crash, and fails otherwise.
    """
    final, new = (f"{shlex.quote(str(archive).replace('%', '%%'))}/{name}" for name in ("%f", ".%f.new"))
    folder = shlex.quote(str(archive).replace("%", "%%"))
    copy = f"cp %p {new} && sync {new} && mv -n {new} {final} && sync {folder}"
    return f"if test -e {final}; then cmp -s %p {final}; else {copy}; fi"
