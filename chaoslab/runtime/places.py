"""Where chaoslab keeps what must outlive a run."""

import os
from pathlib import Path


def state_folder() -> Path:
    """Return the state folder, `$XDG_STATE_HOME/chaoslab`; ledgers and locks live there, not in run folders.

    It is private to the user: a ledger may hold what an undo needs to reach its target.
    """
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "chaoslab"


def temporary_folder() -> Path:
    """Return where scratch things go unless told otherwise, `$TMPDIR` or /tmp, without asking the disk.

    It is absolute, because other programs, with other working folders, are told of it.
    """
    return Path(os.environ.get("TMPDIR") or "/tmp").absolute()  # noqa: S108 - what lies there gets names of its own


def private_folder(path: Path) -> Path:
    """Make a folder, and its parents, readable by its owner alone."""
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    return path
