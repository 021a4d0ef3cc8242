"""Durations, sizes and shares: what is read, what is refused, and what people are told."""

from __future__ import annotations

import math

import pytest
from pydantic import BaseModel, ValidationError

from chaoslab.core.unit_types import Duration, Share, Size
from chaoslab.core.units import (
    duration_text,
    format_duration,
    format_share,
    format_size,
    parse_duration,
    parse_share,
    parse_size,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90.0),
        ("15m", 900.0),
        ("4h", 14400.0),
        ("500ms", 0.5),
        ("1h30m", 5400.0),
        ("2d", 172800.0),
        ("1.5h", 5400.0),
        ("0s", 0.0),
        (" 5m ", 300.0),
        (90, 90.0),
        (0.25, 0.25),
    ],
)
def test_a_duration_is_read(text: str | float, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("4 hours", "'4 hours' is not a duration; write 4h"),
        ("10 minutes", "'10 minutes' is not a duration; write 10m"),
        ("5 sec", "'5 sec' is not a duration; write 5s"),
        ("3 days", "'3 days' is not a duration; write 3d"),
        ("100 milliseconds", "'100 milliseconds' is not a duration; write 100ms"),
        ("2 hrs", "'2 hrs' is not a duration; write 2h"),
        ("2 weeks", "'2 weeks' is not a duration; write 4h, 15m or 90s"),
        ("4H", "'4H' is not a duration; write 4h"),
        ("90", "'90' is not a duration; its unit is missing: write 90s for seconds or 90m for minutes"),
        (
            "30m1h",
            "'30m1h' is not a duration; write each unit once, largest first, without spaces, as in 1h30m",
        ),
        (
            "1h 30m",
            "'1h 30m' is not a duration; write each unit once, largest first, without spaces, as in 1h30m",
        ),
        ("soon", "'soon' is not a duration; write 4h, 15m or 90s"),
        ("", "'' is not a duration; write 4h, 15m or 90s"),
        ("-5s", "'-5s' is negative; a duration is zero or more, such as 90s"),
        (-1, "-1 is negative; a duration is zero or more, such as 90s"),
        (math.nan, "nan is not a duration; write 4h, 15m or 90s"),
        (math.inf, "inf is too long; a duration is at most ten years"),
        ("99999d", "'99999d' is too long; a duration is at most ten years"),
        (True, "True is not a duration; write 4h, 15m or 90s"),
        (None, "None is not a duration; write 4h, 15m or 90s"),
    ],
)
def test_a_bad_duration_says_what_would_be_right(value: str | float, told: str) -> None:
    with pytest.raises(ValueError, match=r"duration|long") as caught:
        parse_duration(value)
    assert str(caught.value) == told


@pytest.mark.parametrize(
    "value",
    ["9" * 5000 + "s", 10**5000, -(10**5000), ["1s"], {"a": 1}],
    ids=["long", "huge", "low", "list", "map"],
)
def test_an_absurd_duration_is_refused_in_a_short_line(value: object) -> None:
    with pytest.raises(ValueError, match=r"duration|long") as caught:
        parse_duration(value)  # type: ignore[arg-type]
    assert len(str(caught.value)) < 140


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.0004, "0.4ms"),
        (0.35, "350ms"),
        (0.9999, "1s"),
        (4.2, "4.2s"),
        (9.96, "10s"),
        (59.6, "1m 00s"),
        (123, "2m 03s"),
        (3599.7, "1h 00m"),
        (3900, "1h 05m"),
        (86400 + 3 * 3600, "1d 03h"),
        (-5, "-5s"),
        (math.inf, "unknown"),
    ],
)
def test_a_duration_is_written_for_people(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


def test_a_duration_is_written_back_as_files_have_it() -> None:
    assert duration_text(5400.25) == "1h30m250ms"
    assert duration_text(0) == "0s"


@pytest.mark.parametrize(
    ("text", "count"),
    [("10MiB", 10 * 2**20), ("10MB", 10**7), ("1.5KiB", 1536), ("512B", 512), ("2 GB", 2 * 10**9), (7, 7)],
)
def test_a_size_is_read(text: str | int, count: int) -> None:
    assert parse_size(text) == count


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("10mb", "'10mb' is not a size; write 10MB"),
        ("10M", "'10M' is not a size; write 10MiB"),
        ("lots", "'lots' is not a size; write 10MiB, 2GB or 512B"),
        ("10", "'10' is not a size; write 10MiB, 2GB or 512B"),
        ("-1B", "'-1B' is negative; a size is zero or more, such as 10MiB"),
        (-1, "-1 is negative; a size is zero or more, such as 10MiB"),
        ("9999999TiB", "'9999999TiB' is too large; a size is at most 1024 PiB"),
        (1.5, "1.5 is not a size; write 10MiB, 2GB or 512B"),
        (False, "False is not a size; write 10MiB, 2GB or 512B"),
    ],
)
def test_a_bad_size_says_what_would_be_right(value: str | int, told: str) -> None:
    with pytest.raises(ValueError, match="size") as caught:
        parse_size(value)
    assert str(caught.value) == told


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (512, "512 B"),
        (10_000, "9.8 KiB"),
        (1023 * 1024 + 600, "1 MiB"),
        (52 * 2**20, "52 MiB"),
        (3 * 2**40, "3 TiB"),
        (-5, "-5 B"),
    ],
)
def test_a_size_is_written_for_people(count: int, text: str) -> None:
    assert format_size(count) == text


def test_a_share_is_read() -> None:
    assert parse_share("95%") == 0.95
    assert parse_share("99.9 %") == pytest.approx(0.999)
    assert parse_share("0%") == 0.0


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (95, "95 is not a share, its unit is missing; write 95%"),
        (0.95, "0.95 is not a share, its unit is missing; write 95%"),
        (-3, "-3 is not a share, its unit is missing; write 95% or 99.9%"),
        (math.nan, "nan is not a share, its unit is missing; write 95% or 99.9%"),
        ("95", "'95' is not a share; write 95% or 99.9%"),
        ("101%", "'101%' is more than everything; a share is between 0% and 100%"),
        (None, "None is not a share; write 95% or 99.9%"),
    ],
)
def test_a_bad_share_says_what_would_be_right(value: str, told: str) -> None:
    with pytest.raises(ValueError, match="share") as caught:
        parse_share(value)
    assert str(caught.value) == told


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.95, "95%"),
        (0.999, "99.9%"),
        (0.99951, "99.95%"),
        (1.0, "100%"),
        (0.0, "0%"),
        (0.0004, "0.04%"),
        (1 - 1e-12, "<100%"),
        (1e-12, ">0%"),
        (math.nan, "unknown"),
    ],
)
def test_a_share_is_never_rounded_to_perfect(share: float, text: str) -> None:
    assert format_share(share) == text


class _Model(BaseModel):
    wait: Duration
    room: Size
    good: Share


def test_the_types_read_text_in_a_model_and_write_it_back() -> None:
    model = _Model.model_validate({"wait": "15m", "room": "1KiB", "good": "95%"})
    assert (model.wait, model.room, model.good) == (900.0, 1024, 0.95)
    assert _Model.model_validate_json(model.model_dump_json()) == model


def test_a_bare_number_in_a_model_is_refused_since_its_unit_is_a_guess() -> None:
    with pytest.raises(ValidationError) as caught:
        _Model.model_validate({"wait": 90, "room": 100, "good": 95})
    told = [str(error["msg"]) for error in caught.value.errors()]
    assert told == [
        "Value error, '90' is not a duration; its unit is missing: write 90s for seconds or 90m for minutes",
        "Value error, 100 is not a size, its unit is missing; write 100MiB",
        "Value error, 95 is not a share, its unit is missing; write 95%",
    ]


def test_editors_see_text_with_a_pattern() -> None:
    properties = _Model.model_json_schema()["properties"]
    assert {name: entry["type"] for name, entry in properties.items()} == dict.fromkeys(
        ("wait", "room", "good"), "string"
    )
    assert all("pattern" in entry for entry in properties.values())
