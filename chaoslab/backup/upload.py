"""Send a set of backups to an object store: every file is proved to have arrived before the set is called one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from chaoslab.backup.remote import RemoteStore
from chaoslab.backup.sets import BackupSet, StoredFile
from chaoslab.core.errors import ChaoslabError
from chaoslab.postgres.logical.manifest import sha256
from chaoslab.runtime.clock import CLOCK
from chaoslab.s3.upload import Sending, send_file

FILES_AT_ONCE = 4
PARTS_AT_ONCE = 6
_POLL_S = 0.05


class UploadFailed(ChaoslabError):
    """A set could not be sent."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of a set that was sent."""

    stamp: str
    bytes: int
    duration_s: float
    proofs: dict[str, int] = field(default_factory=dict)
    """How many files were proved to have arrived by the store's `checksum`, and how many by being `read back`."""


def send_set(remote: RemoteStore, made: BackupSet, folder: Path, how: Sending) -> Sent:
    """Send a set; what an earlier try has sent already is proved and not sent again.

    Args:
        remote: where to
        made: what is in the set
        folder: where its files lie
        how: storage class, who watches

    Raises:
        UploadFailed: a file here is not any more what was dumped.
        RemoteFailed: another set of that name is there.
        S3Failed: the store does not take it, or holds something else than was sent.
    """
    begun_s, proofs = CLOCK.mono(), dict[str, int]()
    for one in made.files():
        how.watch()
        _check_here(folder / one.path, one)
    remote.announce(made)
    stopping = threading.Event()
    with ThreadPoolExecutor(PARTS_AT_ONCE, "parts") as parts, ThreadPoolExecutor(FILES_AT_ONCE, "files") as files:
        sending = replace(how, pool=parts, watch=_stoppable(stopping))
        # The largest first: what is sent last then is soon sent.
        ordered = sorted(made.files(), key=lambda one: -one.bytes)
        waiting = [files.submit(_send, remote, made.stamp, folder, one, sending) for one in ordered]
        try:
            while not all(future.done() for future in waiting):
                how.watch()
                if any(future.done() and future.exception() is not None for future in waiting):
                    break
                CLOCK.sleep(_POLL_S)
            for future in waiting:
                if future.done():
                    proof = future.result()
                    proofs[proof] = proofs.get(proof, 0) + 1
        finally:
            stopping.set()
            for future in waiting:
                future.cancel()
    how.watch()
    remote.complete(made)
    return Sent(made.stamp, sum(one.bytes for one in made.files()), round(CLOCK.mono() - begun_s, 3), proofs)


class _Stopped(UploadFailed):
    """Another file of the set could not be sent."""


def _stoppable(stopping: threading.Event) -> Callable[[], None]:
    def watch() -> None:
        if stopping.is_set():
            raise _Stopped("stopped")

    return watch


def _send(remote: RemoteStore, stamp: str, folder: Path, one: StoredFile, how: Sending) -> str:
    return send_file(remote.bucket, folder / one.path, remote.key(stamp, one.path), one.sha256, how).by


def _check_here(path: Path, one: StoredFile) -> None:
    """Make sure that what is sent is what was dumped: the disk may have changed its mind since."""
    try:
        if path.stat().st_size == one.bytes and sha256(path) == one.sha256:
            return
    except OSError as broken:
        raise UploadFailed(f"{path} cannot be read: {broken.strerror}") from None
    raise UploadFailed(f"{path} is not any more what was dumped: it is not sent")
