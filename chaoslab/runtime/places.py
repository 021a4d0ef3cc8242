"""Where chaoslab keeps what must outlive a run."""

import os
from pathlib import Path

from chaoslab.core.errors import Refused


def state_folder() -> Path:
    """Return the state folder, `$XDG_STATE_HOME/chaoslab`; ledgers and locks live there, not in run folders.

    It is private to the user: a ledger may hold what an undo needs to reach its target. A relative path is passed over,
    as its specification says: the reaper and a later `chaoslab undo` work in other folders and would look elsewhere.

    Raises:
        Refused: the user has no home, and no other place is given.
    """
    given = Path(os.environ.get("XDG_STATE_HOME", ""))
    if given.is_absolute():
        return given / "chaoslab"
    home = home_folder()
    if home is None:
        told = "this user has no home folder for the undo ledgers; set XDG_STATE_HOME to an absolute path"
        raise Refused("state", told)
    return home / ".local" / "state" / "chaoslab"


def home_folder() -> Path | None:
    """Return the home of the user; None where there is none, as for a bare uid in a container."""
    try:
        home = Path.home()
    except RuntimeError:
        return None
    return home if home.is_absolute() else None


def temporary_folder() -> Path:
    """Return where scratch things go unless told otherwise, `$TMPDIR` or /tmp, without asking the disk.

    It is absolute, because other programs, with other working folders, are told of it.
    """
    return Path(os.environ.get("TMPDIR") or "/tmp").absolute()  # noqa: S108 - what lies there gets names of its own


def private_folder(path: Path) -> Path:
    """Make a folder, and its parents, readable by its owner alone."""
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    return path
