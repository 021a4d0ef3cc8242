"""The input files of initdb, such that the servers that it runs leave nothing behind when they are killed.

initdb starts servers to fill the data folder, with a configuration of its own making. They keep dynamic shared memory
in /dev/shm, where nobody removes it when they are killed, or when their folder is removed under them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree

NAME = "share"
_SAMPLE = "postgresql.conf.sample"
_SETTING = ("dynamic_shared_memory_type", "mmap")
_TAKES_SETTINGS = 16
"""The major version from which on initdb can be told settings."""


@contextmanager
def options(bin_folder: Path, major: int, folder: Path) -> Iterator[list[str]]:
    """Lend the options of initdb by which shared memory lies in the data folder; none where its files are not found.

    Args:
        bin_folder: the folder of the server programs
        major: their version
        folder: the cluster's own, in which the files are for so long
    """
    if major >= _TAKES_SETTINGS:
        yield ["-c", "=".join(_SETTING)]
        return
    theirs, ours = _share(bin_folder, major), folder / NAME
    if theirs is None:
        yield []
        return
    ours.mkdir()
    ours.chmod(0o755)  # whatever the umask is: the server's user reads it
    try:
        for entry in theirs.iterdir():
            if entry.name != _SAMPLE:
                (ours / entry.name).symlink_to(entry)
        sample = ours / _SAMPLE
        sample.write_text((theirs / _SAMPLE).read_text() + "\n{} = {}\n".format(*_SETTING))
        sample.chmod(0o644)
        yield ["-L", str(ours)]
    finally:
        rmtree(ours, ignore_errors=True)


def _share(bin_folder: Path, major: int) -> Path | None:
    """Return where the input files are, as a server installs itself, or as Debian does it."""
    beside = bin_folder.parent / "share"
    places = (beside / "postgresql", beside, Path("/usr/share/postgresql", str(major)))
    return next((place for place in places if (place / _SAMPLE).is_file()), None)
