"""Let a server of ours archive its WAL into a folder, safely."""

from __future__ import annotations

import shlex
from pathlib import Path


def archive_command(archive: Path) -> str:
    """Return the `archive_command` that copies a segment into a folder.

    A file appears under its name only when all of it is on the disk. One that is there already is never replaced: the
    command succeeds when it holds the same, as PostgreSQL asks for after a crash, and fails otherwise. The folder is
    named once: until version 15 a server cuts a command off at 1024 bytes, and a name of a backup is long.
    """
    folder = shlex.quote(str(archive).replace("%", "%%"))
    copy = 'cp %p "$a/.%f.new" && sync "$a/.%f.new" && mv -n "$a/.%f.new" "$a/%f" && sync "$a"'
    return f'a={folder}; if test -e "$a/%f"; then cmp -s %p "$a/%f"; else {copy}; fi'
