"""What must stay as it was: every file of a folder, down to its bytes and dates."""

import hashlib


def state_of_tree(*folders):
    """Return mode, owner, size, date and digest of everything in some folders, by path."""
    return {str(path): _state(path) for folder in folders for path in [folder, *sorted(folder.rglob("*"))]}


def _state(path):
    told = path.lstat()
    digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
    return (oct(told.st_mode), told.st_uid, told.st_size if path.is_file() else 0, told.st_mtime_ns, digest)
