"""Verify the page checksums of a data folder, or of a copy of one, without a server: also while the server runs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from chaoslab.postgres.corruption.pages import PAGE_BYTES, broken_pages
from chaoslab.runtime.clock import CLOCK

_BATCH = 256
"""Pages that are computed at once: 2 MiB."""
_RELATION_FILE = re.compile(r"\d+(?:_(?:fsm|vm|init))?(?:\.(?P<segment>\d+))?")
_PAGES_PER_FILE = 2**30 // PAGE_BYTES
"""A relation goes on in FILE.1 after 1 GiB, as every packaged server is built."""
_LOOKS = 5
_BETWEEN_LOOKS_S = 0.05


@dataclass(frozen=True, slots=True)
class BrokenPage:
    """A page whose checksum is wrong."""

    file: str
    """Its path in the data folder."""
    block: int
    """Its number in the relation."""

    def __str__(self) -> str:
        """Return it for people."""
        return f"block {self.block} of {self.file}"


@dataclass(frozen=True, slots=True)
class _Page:
    path: Path
    offset: int
    block: int


def relation_files(data: Path) -> Iterator[Path]:
    """Yield the files of a data folder that consist of pages, tablespaces' too, in a fixed order."""
    for pattern in ("global/*", "base/*/*", "pg_tblspc/*/PG_*/*/*"):
        for path in sorted(data.glob(pattern)):
            if _RELATION_FILE.fullmatch(path.name) and path.is_file():
                yield path


def scan(data: Path, *, watch: Callable[[], None] = lambda: None) -> Iterator[BrokenPage]:
    """Yield the pages of a data folder whose checksum is wrong, as they are found.

    A server that runs may be writing a page while it is read. So a wrong page is read again, and only one that
    stays the same, and wrong, is told; files that go away meanwhile are left out.

    Args:
        data: the data folder, with checksums on
        watch: called again and again; what it raises stops the scan
    """
    waiting: list[_Page] = []
    content = bytearray()
    for path in relation_files(data):
        for page, text in _pages_of(path):
            waiting.append(page)
            content += text
            if len(waiting) == _BATCH:
                watch()
                yield from _broken_of(data, waiting, bytes(content))
                waiting, content = [], bytearray()
    if waiting:
        yield from _broken_of(data, waiting, bytes(content))


def _pages_of(path: Path) -> Iterator[tuple[_Page, bytes]]:
    match = _RELATION_FILE.fullmatch(path.name)
    first = int(match["segment"] or 0) * _PAGES_PER_FILE if match else 0
    try:
        with path.open("rb") as stream:
            number = 0
            while len(text := stream.read(PAGE_BYTES)) == PAGE_BYTES:
                yield _Page(path, number * PAGE_BYTES, first + number), text
                number += 1
    except OSError:
        return  # dropped meanwhile


def _broken_of(data: Path, pages: list[_Page], content: bytes) -> Iterator[BrokenPage]:
    for place in broken_pages(content, [page.block for page in pages]):
        page, text = pages[place], content[place * PAGE_BYTES : (place + 1) * PAGE_BYTES]
        if _stays_broken(page, text):
            yield BrokenPage(str(page.path.relative_to(data)), page.block)


def _stays_broken(page: _Page, seen: bytes) -> bool:
    for _ in range(_LOOKS):
        CLOCK.sleep(_BETWEEN_LOOKS_S)
        try:
            with page.path.open("rb") as stream:
                stream.seek(page.offset)
                now = stream.read(PAGE_BYTES)
        except OSError:
            return False
        if len(now) < PAGE_BYTES or not broken_pages(now, [page.block]):
            return False
        if now == seen:
            return True
        seen = now
    return False  # it is written all the time: the server has it in its memory, and computes its checksum anew
