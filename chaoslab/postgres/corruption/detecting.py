"""Let detectors look, all at the same time, and note when each of them saw something."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace

from chaoslab.core.errors import Aborted, BadUsage, ChaoslabError
from chaoslab.core.suggest import hint_for
from chaoslab.postgres.connect import load_psycopg, one_line
from chaoslab.postgres.corruption.detectors import files, programs, reading
from chaoslab.postgres.corruption.detectors.seeing import Ground, Look, Seen, unknown

_POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class Detector:
    """One way to notice damage."""

    name: str
    look: Look
    kinds: frozenset[str]
    """What it can see damage of."""
    offline: bool = False
    """Whether the server must stand still for it: it then looks when all others are done."""


@dataclass(frozen=True, slots=True)
class Detection:
    """What one detector said, and when."""

    detector: Detector
    seen: Seen
    at_s: float
    """Seconds of the run, when it had its answer."""


_LIVE, _WAL, _BACKUP = frozenset({"heap", "index"}), frozenset({"wal"}), frozenset({"backup"})
DETECTORS = {
    one.name: one
    for one in (
        Detector("reads", reading.reads, _LIVE),
        Detector("checksum-failures", reading.checksum_failures, _LIVE),
        Detector("page-checksums", files.page_checksums, _LIVE),
        Detector("amcheck", programs.amcheck, _LIVE),
        Detector("digests", reading.digests, _LIVE),
        Detector("pg-checksums", programs.pg_checksums, _LIVE, offline=True),
        Detector("waldump", programs.waldump, _WAL),
        Detector("archive-checksums", files.archive_checksums, _WAL),
        Detector("manifest", files.manifest, _BACKUP),
        Detector("verifybackup", programs.verifybackup, _BACKUP),
        Detector("backup-pages", files.backup_pages, _BACKUP),
    )
}


def chosen(text: str, kind: str) -> list[Detector]:
    """Return the detectors that a catalog file asks for, of those that can see damage of a kind.

    Args:
        text: `all`, or names with commas between
        kind: heap, index, wal or backup

    Raises:
        BadUsage: there is no such detector, or none of those named can see this kind.
    """
    able = [one for one in DETECTORS.values() if kind in one.kinds]
    if text.strip() == "all":
        return able
    names = [word.strip() for word in text.split(",") if word.strip()]
    for name in names:
        if name not in DETECTORS:
            raise BadUsage(f"detectors: there is no '{name}'; {hint_for(name, DETECTORS)}".rstrip("; "))
    found = [one for one in able if one.name in names]
    if not found:
        able_names = ", ".join(one.name for one in able)
        raise BadUsage(f"detectors: none of '{text}' can see a damaged {kind}; choose of {able_names}")
    return found


def detect(detectors: Sequence[Detector], ground: Ground, now_s: Callable[[], float]) -> Iterator[Detection]:
    """Let all detectors look and yield what each says, as soon as it does; those that need the server stopped last.

    Args:
        detectors: which
        ground: where they look; its `watch` is also called from this thread, and what it raises ends all
        now_s: seconds of the run
    """
    stopping = threading.Event()

    def watch() -> None:
        if stopping.is_set():
            raise Aborted("stopped")

    watched = replace(ground, watch=watch)
    with ThreadPoolExecutor(max(1, len(detectors)), thread_name_prefix="detector") as pool:
        try:
            for offline in (False, True):
                asked = {pool.submit(_look, one, watched, now_s) for one in detectors if one.offline is offline}
                yield from _as_they_come(asked, ground.watch)
        finally:
            stopping.set()


def _as_they_come(asked: set[Future[Detection]], watch: Callable[[], None]) -> Iterator[Detection]:
    while asked:
        watch()
        done, asked = wait(asked, timeout=_POLL_S, return_when=FIRST_COMPLETED)
        yield from sorted((one.result() for one in done), key=lambda detection: detection.at_s)


def _look(detector: Detector, ground: Ground, now_s: Callable[[], float]) -> Detection:
    try:
        seen = detector.look(ground)
    except Aborted:
        raise
    except (ChaoslabError, OSError, load_psycopg().Error) as broken:
        seen = unknown(one_line(broken))
    return Detection(detector, seen, now_s())
