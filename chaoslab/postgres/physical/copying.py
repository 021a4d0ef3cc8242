"""Copy and unpack the files of a backup into a data folder, each read once and written once."""

from __future__ import annotations

import errno
import gzip
import os
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, cast

from chaoslab.core.errors import Missing
from chaoslab.postgres.difference import Difference
from chaoslab.postgres.physical.repository import RepositoryFailed
from chaoslab.postgres.programs.commands import ServerUser
from chaoslab.postgres.servers.folders import give

COPIERS = 4
"""Threads: they wait for the kernel most of the time."""
_CHUNK = 1 << 30
_UNPACK_CHUNK = 1 << 20
_NOT_HERE = {errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP}
PACKERS = {".zst": "zstd", ".lz4": "lz4"}


def copy_file(source: Path, target: Path, owner: ServerUser | None) -> None:
    """Copy a file; the kernel moves the bytes, or shares them where the file system can.

    Raises:
        OSError: it cannot be read or written.
    """
    with source.open("rb", buffering=0) as one:
        file = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            _move_bytes(one.fileno(), 0, file, os.fstat(one.fileno()).st_size)
        finally:
            os.close(file)
    give(target, owner)


def copy_tree(source: Path, target: Path, owner: ServerUser | None, watch: Callable[[], None]) -> None:
    """Copy a folder into an empty one; links are left out.

    Args:
        source: the folder
        target: an empty folder
        owner: who shall own the copy
        watch: called again and again; what it raises stops the copying

    Raises:
        OSError: something cannot be read or written.
    """
    with ThreadPoolExecutor(COPIERS, thread_name_prefix="copy") as pool:
        copies = []
        try:
            for folder, folders, files in os.walk(source):
                here = target / Path(folder).relative_to(source)
                for name in folders:
                    if not Path(folder, name).is_symlink():
                        _make_folder(here / name, owner)
                kept = [name for name in files if not Path(folder, name).is_symlink()]
                copies += [pool.submit(copy_file, Path(folder, name), here / name, owner) for name in kept]
            for copy in as_completed(copies):
                watch()
                copy.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def unpack(archive: Path, target: Path, owner: ServerUser | None, watch: Callable[[], None]) -> None:
    """Unpack a tar file of pg_basebackup into a folder; links are left out.

    Args:
        archive: `base.tar`, or one compressed by gzip, zstd or lz4
        target: the folder
        owner: who shall own what is made
        watch: called again and again; what it raises stops the unpacking

    Raises:
        RepositoryFailed: the file is damaged, or names a place outside the folder.
        OSError: something cannot be read or written.
    """
    for member, content in members(archive):
        watch()
        path = target / _inside(member.name, archive)
        if member.isdir():
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            give(path, owner)
        elif member.isfile():
            _make_parents(path, target, owner)
            _write_member(archive, member, content, path)
            give(path, owner)


def members(archive: Path) -> Iterator[tuple[tarfile.TarInfo, IO[bytes] | None]]:
    """Yield the members of a tar file in their order, each with its content; read a content before the next member.

    Raises:
        RepositoryFailed: the file is damaged or ends too early.
    """
    try:
        with opened(archive) as stream, _tar(archive, stream) as tar:
            for member in tar:
                yield member, tar.extractfile(member)
            # A file cut off between two members ends without the empty blocks, and nothing else would tell.
            if archive.suffix == ".tar" and archive.stat().st_size <= tar.offset:
                raise damaged(archive, "its end is missing")
    except (tarfile.TarError, EOFError, gzip.BadGzipFile, ValueError) as broken:
        raise damaged(archive, str(broken)) from None


@contextmanager
def opened(archive: Path) -> Iterator[IO[bytes]]:
    """Open a file for reading, decompressed.

    Raises:
        Missing: the program that decompresses it is not there.
        RepositoryFailed: the program did not get to the file's end.
    """
    packer = PACKERS.get(archive.suffix)
    if packer is None:
        with gzip.open(archive) if archive.suffix == ".gz" else archive.open("rb") as stream:
            yield cast(IO[bytes], stream)
        return
    if shutil.which(packer) is None:
        raise Missing(packer, f"apt-get install {packer}: {archive.name} is compressed by it")
    with subprocess.Popen([packer, "-dcq", str(archive)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as program:
        assert program.stdout is not None
        try:
            yield program.stdout
            if not program.stdout.read(1) and program.wait() != 0:
                raise damaged(archive, f"{packer} ended with status {program.returncode}")
        finally:
            program.kill()


def damaged(archive: Path, reason: str) -> RepositoryFailed:
    """Return the error for a file that cannot be read to its end."""
    message = f"{archive.name} is damaged or ends too early: {reason}"
    return RepositoryFailed(message, [Difference("backup-truncated", archive.name, message)])


def _tar(archive: Path, stream: IO[bytes]) -> tarfile.TarFile:
    if archive.suffix == ".tar":
        return tarfile.open(fileobj=stream, mode="r:")
    return tarfile.open(fileobj=stream, mode="r|")


def _write_member(archive: Path, member: tarfile.TarInfo, content: IO[bytes] | None, path: Path) -> None:
    assert content is not None
    if archive.suffix == ".tar" and not member.issparse():
        with archive.open("rb", buffering=0) as one:
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            try:
                moved = _move_bytes(one.fileno(), member.offset_data, file, member.size)
            finally:
                os.close(file)
        if moved < member.size:
            raise damaged(archive, f"{member.name} is cut off")
        return
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(file, "wb") as target:
        shutil.copyfileobj(content, target, _UNPACK_CHUNK)


def _move_bytes(source: int, begin: int, target: int, length: int) -> int:
    """Copy bytes between open files within the kernel, and return how many there were."""
    moved = 0
    while moved < length:
        try:
            now = os.copy_file_range(source, target, min(_CHUNK, length - moved), begin + moved, moved)
        except OSError as broken:
            if broken.errno not in _NOT_HERE:
                raise
            os.lseek(target, moved, os.SEEK_SET)
            now = os.sendfile(target, source, begin + moved, min(_CHUNK, length - moved))
        if now == 0:
            break
        moved += now
    return moved


def _inside(name: str, archive: Path) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise RepositoryFailed(f"{archive.name} names a place outside of the data folder: {name}")
    return path


def _make_folder(path: Path, owner: ServerUser | None) -> None:
    path.mkdir(mode=0o700, exist_ok=True)
    give(path, owner)


def _make_parents(path: Path, top: Path, owner: ServerUser | None) -> None:
    for folder in reversed([parent for parent in path.parents if parent.is_relative_to(top) and parent != top]):
        if not folder.exists():
            _make_folder(folder, owner)
