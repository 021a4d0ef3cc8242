"""Durations, sizes and shares as the types of a pydantic model, which reads them from a file and writes them back.

Apart from `units`, so that a run that reads no model of ours does not load pydantic.
"""

from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from chaoslab.core.units import (
    DURATION_PATTERN,
    LONGEST_S,
    SHARE_PATTERN,
    SIZE_PATTERN,
    duration_text,
    parse_duration,
    parse_share,
    parse_size,
    share_text,
    shown,
    size_text,
)


def _duration_of_file(value: object) -> float:
    """Read a duration from a file, where a bare number is refused: 90 what?"""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return parse_duration(str(value) if abs(value) <= LONGEST_S else value)
    return parse_duration(value)  # type: ignore[arg-type]  # it refuses what is no text


def _size_of_file(value: object) -> int:
    """Read a size from a file, where a bare number is refused: 100 what?"""
    if isinstance(value, int) and not isinstance(value, bool):
        raise ValueError(f"{shown(value)} is not a size, its unit is missing; write {_size_meant(value)}")
    return parse_size(value)  # type: ignore[arg-type]  # it refuses what is no text


def _size_meant(value: int) -> str:
    return f"{value}MiB" if 0 <= value < 10**6 else "10MiB, 2GB or 512B"


Duration = Annotated[
    float,
    BeforeValidator(_duration_of_file),
    PlainSerializer(duration_text, return_type=str, when_used="json"),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": DURATION_PATTERN,
            "minLength": 2,
            "examples": ["90s", "15m", "4h", "500ms", "1h30m"],
        }
    ),
]
"""Seconds, written `90s`, `15m`, `4h`."""

Size = Annotated[
    int,
    BeforeValidator(_size_of_file),
    PlainSerializer(size_text, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": SIZE_PATTERN, "examples": ["10MiB", "2GB"]}),
]
"""Bytes, written `10MiB`, `2GB`."""

Share = Annotated[
    float,
    BeforeValidator(parse_share),
    PlainSerializer(share_text, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": SHARE_PATTERN, "examples": ["95%", "99.9%"]}),
]
"""A part of the whole from 0 to 1, written `95%`."""
