"""Names of segments, routes over timelines, gaps, checksums: what holds for every size and every place in the log."""

import hashlib

from hypothesis import given, settings
from hypothesis import strategies as st

from chaoslab.postgres.physical.checksums import Crc32c, digest
from chaoslab.postgres.physical.wal import (
    Segment,
    Switch,
    format_lsn,
    is_segment_size,
    newest_timeline,
    parse_history,
    parse_lsn,
    parse_segment,
    reach,
    route_from,
    route_to,
)

SIZES = st.integers(0, 10).map(lambda power: 2**20 << power)
LSNS = st.integers(0, 2**64 - 1)
TIMELINES = st.integers(1, 2**32 - 1)


@given(LSNS)
def test_an_lsn_is_read_as_it_is_written(lsn):
    assert parse_lsn(format_lsn(lsn)) == lsn


@given(SIZES, TIMELINES, LSNS)
def test_a_segments_name_says_where_it_is(size, timeline, lsn):
    segment = Segment(timeline, lsn // size)
    assert is_segment_size(size)
    assert parse_segment(segment.name(size), size) == segment
    # As PostgreSQL has it: the high half of the LSN, then which segment within it.
    assert segment.name(size) == f"{timeline:08X}{lsn >> 32:08X}{(lsn & 0xFFFFFFFF) // size:08X}"


@given(SIZES, TIMELINES, st.integers(0, 2**30))
def test_names_sort_as_segments_do(size, timeline, number):
    assert Segment(timeline, number).name(size) < Segment(timeline, number + 1).name(size)


@given(st.text(max_size=30), SIZES)
def test_any_other_name_is_no_segment(name, size):
    found = parse_segment(name, size)
    assert found is None or found.name(size) == name


@st.composite
def archives(draw):
    """A route over a few timelines, the segments on it, and which of them are missing."""
    size = draw(SIZES)
    switches, at = [], draw(st.integers(1, 5)) * size
    for timeline in range(1, draw(st.integers(1, 4))):
        at += draw(st.integers(0, 3 * size))
        switches.append(Switch(timeline, at))
    route = route_to(len(switches) + 1, switches)
    first = draw(st.integers(0, 5))
    numbers = range(first, first + draw(st.integers(1, 40)))
    gone = draw(st.sets(st.sampled_from(numbers)))
    return size, route, numbers, gone


@given(archives())
def test_a_reach_ends_at_the_first_gap_and_names_each(archive):
    size, route, numbers, gone = archive
    names = {route.segment_at(number, size).name(size) for number in numbers if number not in gone}
    found = reach(numbers[0] * size, route, names, size)
    there = [number for number in numbers if number not in gone]
    inner = [number for number in gone if there and number < there[-1]]
    assert sum(gap.segments for gap in found.gaps) == len(inner)
    assert {gap.first for gap in found.gaps} <= {route.segment_at(number, size).name(size) for number in inner}
    unbroken = next((number for number in numbers if number in gone), numbers[-1] + 1)
    assert found.end_lsn == unbroken * size
    assert found.segments == unbroken - numbers[0]


@given(archives())
def test_what_lies_on_other_timelines_does_not_count(archive):
    size, route, numbers, _ = archive
    foreign = {Segment(route.timeline + 7, number).name(size) for number in numbers}
    found = reach(numbers[0] * size, route, foreign, size)
    assert (found.segments, found.gaps, found.end_lsn) == (0, (), numbers[0] * size)


@given(st.lists(st.tuples(st.integers(1, 99), LSNS), max_size=8), st.text("abc \t#", max_size=20))
def test_a_history_file_is_read_as_it_is_written(ancestors, reason):
    text = "".join(f"{timeline}\t{format_lsn(lsn)}\t{reason}\n" for timeline, lsn in ancestors)
    assert parse_history(text) == tuple(Switch(*one) for one in ancestors)


@given(st.integers(1, 9), st.sets(st.integers(1, 20)))
def test_the_newest_timeline_is_asked_for_one_after_the_other(start, known):
    newest = newest_timeline(start, known)
    assert set(range(start + 1, newest + 1)) <= known
    assert newest + 1 not in known


@given(LSNS, LSNS)
def test_a_backup_of_after_the_switch_stays_on_its_timeline(switched, lsn):
    route = route_from(1, lsn, {2: (Switch(1, switched),)})
    assert route.timeline == (2 if lsn < switched else 1)


def _plainly(data):
    state = 0xFFFFFFFF
    for byte in data:
        state ^= byte
        for _ in range(8):
            state = (state >> 1) ^ (0x82F63B78 if state & 1 else 0)
    return (state ^ 0xFFFFFFFF).to_bytes(4, "little").hex()


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=300), st.integers(0, 120), st.integers(0, 5000))
def test_a_crc_of_lanes_is_that_of_single_bits(seed, times, cut):
    data = (seed * times)[:16384]
    known = Crc32c()
    known.update(data[:cut])
    known.update(data[cut:])
    assert known.hexdigest() == _plainly(data)


def test_a_crc_of_long_lanes_is_that_of_short_ones():
    data = hashlib.shake_256(b"any").digest(2**21 + 77)
    whole, pieces = Crc32c(), Crc32c()
    whole.update(data)
    for begin in range(0, len(data), 9973):
        pieces.update(data[begin : begin + 9973])
    assert whole.hexdigest() == pieces.hexdigest()


def test_the_known_checksums():
    crc, sha = digest("CRC32C"), digest("SHA256")
    for one in (crc, sha):
        one.update(b"123456789")
    assert bytes.fromhex(crc.hexdigest())[::-1].hex() == "e3069283"
    assert sha.hexdigest() == hashlib.sha256(b"123456789").hexdigest()
