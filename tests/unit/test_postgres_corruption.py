"""Pages, their checksums and the places in them, and the choice of detectors: without a server."""

import struct

import pytest

from chaoslab.core.errors import BadUsage
from chaoslab.postgres.corruption.damaging import require_place
from chaoslab.postgres.corruption.detecting import DETECTORS, chosen
from chaoslab.postgres.corruption.expecting import differing
from chaoslab.postgres.corruption.pages import (
    PAGE_BYTES,
    broken_pages,
    header_of,
    items_of,
    page_checksums,
    with_checksum,
)
from chaoslab.postgres.corruption.places import NoPlace, file_place, heap_place, index_place, wal_place
from chaoslab.postgres.corruption.scanning import scan
from chaoslab.postgres.corruption.settling import KINDS, require_choices

ROW = b"\0" * 20 + struct.pack("=HB", 0x0800, 24) + b"\0" + b"the text of a row"


def page_of(items, special=b"", block=0):
    """Return a page with these tuples, as the server lays it out."""
    body, pointers, end = bytearray(PAGE_BYTES), b"", PAGE_BYTES - len(special)
    body[end:] = special
    upper = end
    for item in items:
        upper -= (len(item) + 7) // 8 * 8
        body[upper : upper + len(item)] = item
        pointers += struct.pack("=I", upper | 1 << 15 | len(item) << 17)
    lower = 24 + len(pointers)
    body[:24] = struct.pack("=IIHHHHHHI", 0, 1, 0, 0, lower, upper, end, PAGE_BYTES | 4, 0)
    body[24:lower] = pointers
    return with_checksum(bytes(body), block)


def test_a_checksum_is_the_servers():
    """PostgreSQL 15 computed these, by page_checksum() of its pageinspect."""
    page = bytearray(bytes(range(256)) * 32)
    page[18:20] = struct.pack("=H", PAGE_BYTES | 4)
    servers = {0: 471, 1: 470, 12345: 4558, 131072: 473}
    assert page_checksums(bytes(page) * len(servers), list(servers)) == list(servers.values())


def test_the_place_of_the_checksum_does_not_count():
    page = page_of([ROW])
    assert page_checksums(page, [0]) == page_checksums(page[:8] + b"\xff\xff" + page[10:], [0])
    assert header_of(page).checksum == page_checksums(page, [0])[0]


def test_any_flipped_bit_breaks_a_page():
    page = page_of([ROW])
    assert broken_pages(page, [0]) == []
    assert broken_pages(page, [1]) == [0], "a page elsewhere is broken"
    for offset in (0, 11, 500, PAGE_BYTES - 1):
        flipped = bytearray(page)
        flipped[offset] ^= 1
        assert broken_pages(bytes(flipped), [0]) == [0]


def test_a_page_of_zeros_is_sound_and_one_of_nearly_zeros_is_not():
    assert broken_pages(bytes(PAGE_BYTES), [3]) == []
    assert broken_pages(bytes(PAGE_BYTES - 1) + b"x", [3]) == [0]


def test_tuples_of_a_torn_page_are_not_followed():
    assert [(item.number, item.length) for item in items_of(page_of([ROW, ROW]))] == [(1, len(ROW)), (2, len(ROW))]
    assert list(items_of(b"\xff" * PAGE_BYTES)) == []


def test_a_row_is_chosen_from_the_middle_of_a_table(tmp_path):
    file = tmp_path / "1"
    file.write_bytes(page_of([ROW]) + page_of([ROW], block=1) + page_of([]))
    place = heap_place(file)
    [patch] = place.patches
    assert place.what == "row (1,1)"
    assert patch.before == ROW[-8:]
    assert len(patch.after) == len(patch.before)
    assert patch.after != patch.before
    assert file.read_bytes()[patch.offset : patch.offset + 8] == patch.before


def test_a_deleted_row_is_not_chosen(tmp_path):
    deleted = ROW[:20] + b"\0\0" + ROW[22:]
    (tmp_path / "1").write_bytes(page_of([deleted]))
    with pytest.raises(NoPlace, match="no row"):
        heap_place(tmp_path / "1")


def test_a_silent_flip_leaves_the_checksum_right(tmp_path):
    file = tmp_path / "1"
    file.write_bytes(page_of([ROW]))
    content = bytearray(file.read_bytes())
    for patch in heap_place(file, silent=True).patches:
        content[patch.offset : patch.offset + len(patch.after)] = patch.after
    assert bytes(content) != file.read_bytes()
    assert broken_pages(bytes(content), [0]) == []


def test_free_space_matters_only_where_a_checksum_covers_it(tmp_path):
    (tmp_path / "1").write_bytes(page_of([ROW]))
    assert heap_place(tmp_path / "1", free=True).in_use
    assert not heap_place(tmp_path / "1", free=True, checksums=False).in_use


def test_an_entry_of_a_leaf_is_chosen_not_the_high_key(tmp_path):
    entry = bytes(8) + b"key-0001"
    leaf, inner = (struct.pack("=IIIHH", 0, 2, level, flags, 0) for level, flags in ((0, 1), (1, 0)))
    (tmp_path / "1").write_bytes(page_of([entry], inner) + page_of([entry, entry], leaf, 1))
    assert index_place(tmp_path / "1").what == "entry (1,2)"
    (tmp_path / "2").write_bytes(page_of([entry], inner))
    with pytest.raises(NoPlace, match="no entry"):
        index_place(tmp_path / "2")


def test_a_record_is_chosen_within_the_used_part_of_a_segment(tmp_path):
    file = tmp_path / "000000010000000000000001"
    file.write_bytes(b"\1" * 3 * PAGE_BYTES + bytes(5 * PAGE_BYTES))
    assert wal_place(file).patches[0].offset < 3 * PAGE_BYTES
    free = wal_place(file, free=True)
    assert free.patches[0].offset > 3 * PAGE_BYTES
    assert not free.in_use


def test_a_segment_without_records_or_without_zeros_has_no_place(tmp_path):
    file = tmp_path / "000000010000000000000001"
    file.write_bytes(bytes(4 * PAGE_BYTES))
    with pytest.raises(NoPlace, match="no record"):
        wal_place(file)
    file.write_bytes(b"\1" * 4 * PAGE_BYTES)
    with pytest.raises(NoPlace, match="is full"):
        wal_place(file, free=True)


def test_an_empty_file_has_no_place(tmp_path):
    (tmp_path / "empty").touch()
    with pytest.raises(NoPlace, match="is empty"):
        file_place(tmp_path / "empty")


def test_a_scan_names_the_file_and_the_block_and_looks_at_relations_only(tmp_path):
    base = tmp_path / "base" / "5"
    base.mkdir(parents=True)
    wrong = b"\x01" * PAGE_BYTES
    (base / "16384").write_bytes(page_of([ROW]) + wrong)
    (base / "16384.1").write_bytes(page_of([ROW], block=131072))
    (base / "pg_internal.init").write_bytes(wrong)
    (base / "PG_VERSION").write_bytes(wrong)
    assert [str(page) for page in scan(tmp_path)] == ["block 1 of base/5/16384"]


def test_every_kind_of_damage_has_detectors():
    for kind in KINDS:
        assert len(chosen("all", kind)) >= 2
    assert {one.name for kind in KINDS for one in chosen("all", kind)} == set(DETECTORS)


def test_detectors_are_chosen_by_name():
    assert [one.name for one in chosen("digests, reads", "heap")] == ["reads", "digests"]


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        ("amchek", "heap", "there is no 'amchek'"),
        ("waldump", "heap", "none of 'waldump' can see a damaged heap"),
        ("", "wal", "can see a damaged wal"),
    ],
)
def test_a_choice_of_detectors_that_makes_no_sense_is_refused(text, kind, said):
    with pytest.raises(BadUsage, match=said):
        chosen(text, kind)


def test_choices_that_make_no_sense_are_refused():
    with pytest.raises(BadUsage, match="choose one of heap, index, wal, backup"):
        require_choices("disk", "on")
    with pytest.raises(BadUsage, match="neither on nor off"):
        require_choices("heap", "maybe")
    with pytest.raises(BadUsage, match="choose one of data, silent, free"):
        require_place("heap", "somewhere")
    with pytest.raises(BadUsage, match="choose data or free"):
        require_place("wal", "silent")


def test_tables_that_came_or_went_differ_too():
    assert differing({"a": 1, "b": 1, "c": 1}, {"a": 1, "b": 2, "d": 1}) == ["b", "c", "d"]
