"""The recovery point from beats: bounds that hold, holes that are told apart from lag."""

import pytest

from chaoslab.postgres.recovery_point.beating import AckLog
from chaoslab.postgres.recovery_point.heartbeat import Beat, from_snapshot, read_acknowledgements, recovery_point

BEATS = [Beat(number, 100.0 + number / 10) for number in range(1, 11)]
DISASTER = (101.2, 101.2)


def point(present, known=BEATS, disaster=DISASTER):
    return recovery_point(known, set(present), disaster_s=disaster, method="acknowledgements")


def test_nothing_lost():
    found = point(range(1, 11))
    assert found.lost_rows == 0
    assert found.lost_s[0] == 0.0
    assert round(found.lost_s[1], 6) == 0.3  # from the last beat but one: the last was committed after that
    assert found.differences == ()


def test_the_newest_beats_are_lost():
    found = point(range(1, 8))
    assert found.lost_rows == 3
    low, high = found.lost_s
    # Beat 8 was committed before it was acknowledged at 100.8, beat 7 after beat 6 was acknowledged at 100.6.
    assert (round(low, 6), round(high, 6)) == (0.4, 0.6)


def test_a_hole_is_damage_not_lag():
    found = point([1, 2, 4, 5, 6, 7, 8, 9, 10])
    assert [one.code for one in found.differences] == ["heartbeat-hole"]
    assert found.lost_rows == 0


def test_what_the_writer_tidied_up_is_no_hole():
    assert point(range(5, 11)).differences == ()


def test_no_beat_at_all_leaves_no_upper_bound():
    found = point([])
    assert [one.code for one in found.differences] == ["heartbeat-absent"]
    assert found.lost_s[1] is None
    assert found.lost_rows == 10


def test_a_beat_that_nobody_acknowledged_may_be_there():
    assert point(range(1, 12)).lost_rows == 0


def test_without_beats_before_the_disaster_nothing_is_known():
    found = point([1], known=[])
    assert found.lost_s is None
    assert found.reason


def test_an_uncertain_clock_widens_the_bounds():
    low, high = point(range(1, 8), disaster=(101.1, 101.4)).lost_s
    assert (round(low, 6), round(high, 6)) == (0.3, 0.8)


def test_the_snapshot_bounds_the_loss():
    assert from_snapshot((10.0, 10.5), (14.0, 14.2)).lost_s == (0.0, 14.2 - 10.0)


def test_acknowledgements_are_read_with_their_predecessor_and_up_to_the_disaster(tmp_path):
    log = tmp_path / "acks"
    (tmp_path / "acks.1").write_text("shop 1 1.0 50.0\nother 9 1.0 50.0\n")
    log.write_text("shop 2 1.1 50.1\nshop 3 1.2 50.2\nshop 4 1.3 50.3\nshop 5 1.")
    found = read_acknowledgements(log, "shop", until_mono_s=50.25)
    assert [beat.id for beat in found] == [1, 2, 3]


def test_no_log_is_no_acknowledgement(tmp_path):
    assert read_acknowledgements(tmp_path / "none", "shop", until_mono_s=1.0) == []


@pytest.mark.parametrize("name", ["shop", "my shop", "two\nlines", "per%20cent", "café\u2028", 'a "b" 1 2 3'])
def test_acknowledgements_are_found_whatever_the_database_is_called(tmp_path, name):
    log = AckLog(tmp_path / "acks")
    log.write("shop 1", 7)
    log.write(name, 8)
    log.close()
    found = read_acknowledgements(tmp_path / "acks", name, until_mono_s=float("inf"))
    assert [beat.id for beat in found] == [8]


def test_acknowledgements_of_a_writer_that_does_not_quote_are_found_too(tmp_path):
    (tmp_path / "acks").write_text("my shop 1 1700000000.0 5.0\n")
    assert [beat.id for beat in read_acknowledgements(tmp_path / "acks", "my shop", until_mono_s=9.0)] == [1]
