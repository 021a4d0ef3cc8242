"""Units read back what they write, and refuse the rest without breaking."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaoslab.core.units import (
    duration_text,
    format_duration,
    format_share,
    format_size,
    parse_duration,
    parse_share,
    parse_size,
)

ANYTHING = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers())


@given(milliseconds=st.integers(0, 10 * 365 * 86_400_000))
def test_a_duration_survives_the_round_trip(milliseconds: int) -> None:
    assert parse_duration(duration_text(milliseconds / 1000)) == pytest.approx(milliseconds / 1000)


@given(count=st.integers(0, 2**60))
def test_a_size_survives_the_round_trip(count: int) -> None:
    assert parse_size(f"{count}B") == parse_size(count) == count


@given(hundredths=st.integers(0, 10_000))
def test_a_share_survives_the_round_trip(hundredths: int) -> None:
    assert parse_share(format_share(hundredths / 10_000)) == pytest.approx(hundredths / 10_000, abs=0.0006)


@given(share=st.floats(0, 1))
def test_only_perfection_is_written_as_perfect(share: float) -> None:
    assert (format_share(share) == "100%") == (share == 1)
    assert (format_share(share) == "0%") == (share == 0)


@given(seconds=st.floats(0, 1e8), count=st.integers(0, 2**62))
def test_what_people_read_is_short(seconds: float, count: int) -> None:
    assert len(format_duration(seconds)) <= 9
    assert len(format_size(count)) <= 12


@pytest.mark.parametrize("parse", [parse_duration, parse_size, parse_share])
@given(value=ANYTHING)
def test_a_parser_answers_or_refuses_in_one_line(parse: Callable[[object], float], value: object) -> None:
    refusal = ""
    try:
        assert parse(value) >= 0
    except ValueError as error:
        refusal = str(error)
    assert "\n" not in refusal
    assert len(refusal) < 160
