"""Durations, sizes and shares, as people write them: `90s`, `10MiB`, `95%`.

A parser takes what a person could have meant in one way only, and otherwise says what to write instead.
"""

from __future__ import annotations

import math
import re

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_BYTES |= {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}

_NUMBER = r"(?:\d+(?:\.\d+)?)"
DURATION_PATTERN = rf"^(?:{_NUMBER}d)?(?:{_NUMBER}h)?(?:{_NUMBER}m)?(?:{_NUMBER}s)?(?:{_NUMBER}ms)?$"
SIZE_PATTERN = rf"^{_NUMBER} ?(?:B|kB|MB|GB|TB|KiB|MiB|GiB|TiB)$"
SHARE_PATTERN = rf"^{_NUMBER} ?%$"

# Not compiled here: every command loads this file, and most read no duration. `re` keeps what it has compiled.
_DURATION_PART = rf"({_NUMBER})(ms|[smhd])"
_SIZE = rf"({_NUMBER}) ?([A-Za-z]+)"
_SHARE = rf"({_NUMBER}) ?%"

LONGEST_S = 366 * 10 * 86400.0
"""Ten years: a longer exercise is a slip of the pen, and infinity would overflow later."""
_LARGEST_BYTES = 2**60
_LONGEST_TEXT = 60
"""No honest value is longer; a number of a thousand digits would overflow."""


def parse_duration(value: str | float) -> float:
    """Read a duration and return seconds.

    Args:
        value: `500ms`, `90s`, `15m`, `4h`, `2d`, combined in falling order (`1h30m`), or seconds as a number.

    Raises:
        ValueError: it is no duration, is negative, or is longer than ten years.
    """
    if isinstance(value, bool):
        raise ValueError(f"{shown(value)} is not a duration; write 4h, 15m or 90s")
    if isinstance(value, int | float):
        return float(_checked_seconds(value, shown=shown(value)))
    if not isinstance(value, str):
        raise ValueError(f"{shown(value)} is not a duration; write 4h, 15m or 90s")
    text = value.strip()
    if text.startswith("-"):
        raise ValueError(f"{shown(value)} is negative; a duration is zero or more, such as 90s")
    if not text or len(text) > _LONGEST_TEXT or not re.fullmatch(DURATION_PATTERN, text, re.ASCII):
        raise ValueError(f"{shown(value)} is not a duration; {_duration_hint(text)}")
    seconds = math.fsum(float(number) * _SECONDS[unit] for number, unit in re.findall(_DURATION_PART, text, re.ASCII))
    return _checked_seconds(seconds, shown=shown(value))


def format_duration(seconds: float) -> str:
    """Write seconds for people: `0.4ms`, `350ms`, `4.2s`, `2m 03s`, `1h 05m`, `2d 03h`; rounded."""
    if not math.isfinite(seconds):
        return "unknown"
    if seconds < 0:
        return f"-{format_duration(-seconds)}"
    if seconds == 0:
        return "0s"
    if seconds < 0.9995:
        return f"{_plain(seconds * 1000, digits=0 if seconds >= 0.00995 else 1)}ms"
    if seconds < 9.95:
        return f"{_plain(seconds, digits=1)}s"
    whole = math.floor(seconds + 0.5)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02}s"
    minutes = math.floor(seconds / 60 + 0.5)
    if minutes < 24 * 60:
        return f"{minutes // 60}h {minutes % 60:02}m"
    hours = math.floor(seconds / 3600 + 0.5)
    return f"{hours // 24}d {hours % 24:02}h"


def duration_text(seconds: float) -> str:
    """Write seconds as catalog files have them, exact to the millisecond: `90s`, `1h30m`."""
    milliseconds = round(seconds * 1000)
    parts = []
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        count, milliseconds = divmod(milliseconds, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def parse_size(value: str | int) -> int:
    """Read a size and return bytes.

    Args:
        value: `512B`, `10MiB` (powers of 1024), `10MB` (powers of 1000), or plain bytes as a whole number.

    Raises:
        ValueError: it is no size, is negative, or is beyond 1 EiB.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return _checked_bytes(value, shown=shown(value))
    if not isinstance(value, str):
        raise ValueError(f"{shown(value)} is not a size; write 10MiB, 2GB or 512B")
    text = value.strip()
    if text.startswith("-"):
        raise ValueError(f"{shown(value)} is negative; a size is zero or more, such as 10MiB")
    match = re.fullmatch(_SIZE, text, re.ASCII) if len(text) <= _LONGEST_TEXT else None
    if match is None or match[2] not in _BYTES:
        raise ValueError(f"{shown(value)} is not a size; {_size_hint(match)}")
    number = float(match[1]) if "." in match[1] else int(match[1])
    count = number * _BYTES[match[2]]
    return _checked_bytes(round(count), shown=shown(value))


def format_size(count: int) -> str:
    """Write bytes for people: `512 B`, `9.8 KiB`, `52 MiB`."""
    if count < 0:
        return f"-{format_size(-count)}"
    if count < 1024:
        return f"{count} B"
    amount, unit = count / 1024, "KiB"
    for larger in ("MiB", "GiB", "TiB"):
        if amount < 1023.5:
            break
        amount, unit = amount / 1024, larger
    return f"{_plain(amount, digits=1 if amount < 99.95 else 0)} {unit}"


def size_text(count: int) -> str:
    """Write bytes as catalog files have them, exact: `10240B`."""
    return f"{count}B"


def parse_share(value: str) -> float:
    """Read a share such as `95%` and return a number from 0 to 1.

    Raises:
        ValueError: it is no share, or is beyond 100%. A bare `95` or `0.95` is refused: it could mean either.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        meant = _share_meant(value)
        raise ValueError(f"{shown(value)} is not a share, its unit is missing; write {meant}")
    if not isinstance(value, str):
        raise ValueError(f"{shown(value)} is not a share; write 95% or 99.9%")
    match = re.fullmatch(_SHARE, value.strip(), re.ASCII) if len(value) <= _LONGEST_TEXT else None
    if match is None:
        raise ValueError(f"{shown(value)} is not a share; write 95% or 99.9%")
    percent = float(match[1])
    if percent > 100:
        raise ValueError(f"{shown(value)} is more than everything; a share is between 0% and 100%")
    return percent / 100


def format_share(share: float) -> str:
    """Write a share for people, with as many digits as tell it from 100%: `95%`, `99.9%`, `99.95%`."""
    if not math.isfinite(share):
        return "unknown"
    percent = share * 100
    for digits in range(1, 7):
        text = _plain(percent, digits=digits)
        told_apart = share in (0, 1) or text not in ("0", "100")
        if told_apart:
            return f"{text}%"
    return "<100%" if percent > 50 else ">0%"


def share_text(share: float) -> str:
    """Write a share as catalog files have it, exact: `95%`."""
    return f"{_plain(share * 100, digits=12)}%"


def shown(value: object) -> str:
    """Show a value from a file without letting a huge one flood the line."""
    if isinstance(value, int) and abs(value) > _LARGEST_BYTES:
        return "a huge number"  # Python refuses to write one of thousands of digits
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _checked_seconds(seconds: float, *, shown: str) -> float:
    if isinstance(seconds, float) and math.isnan(seconds):
        raise ValueError(f"{shown} is not a duration; write 4h, 15m or 90s")
    if seconds < 0:
        raise ValueError(f"{shown} is negative; a duration is zero or more, such as 90s")
    if seconds > LONGEST_S:
        raise ValueError(f"{shown} is too long; a duration is at most ten years")
    return seconds


def _checked_bytes(count: int, *, shown: str) -> int:
    if count < 0:
        raise ValueError(f"{shown} is negative; a size is zero or more, such as 10MiB")
    if count > _LARGEST_BYTES:
        raise ValueError(f"{shown} is too large; a size is at most 1024 PiB")
    return count


_LONG_UNITS = {"ms": "milli", "s": "sec", "m": "min", "h": "h", "d": "da"}


def _duration_hint(text: str) -> str:
    """Guess what was meant by `4 hours` or `90`, so that the hint can be copied."""
    if len(text) > 20:  # too long to be said again
        return "write 4h, 15m or 90s"
    match = re.fullmatch(rf"({_NUMBER})\s*([A-Za-z]*)", text, re.ASCII)
    if match is not None and not match[2]:
        return f"its unit is missing: write {match[1]}s for seconds or {match[1]}m for minutes"
    if match is not None:
        word = match[2].lower()
        for unit, start in _LONG_UNITS.items():
            if word == unit or (word.startswith(start) and (len(start) > 1 or word.startswith(("hr", "ho")))):
                return f"write {match[1]}{unit}"
    if re.sub(_DURATION_PART, "", text, flags=re.ASCII).strip() == "" and text:
        return "write each unit once, largest first, without spaces, as in 1h30m"
    return "write 4h, 15m or 90s"


def _size_hint(match: re.Match[str] | None) -> str:
    if match is None:
        return "write 10MiB, 2GB or 512B"
    known = {unit.lower(): unit for unit in _BYTES} | {
        "k": "KiB",
        "m": "MiB",
        "g": "GiB",
        "t": "TiB",
        "": "B",
    }
    unit = known.get(match[2].lower())
    return f"write {match[1]}{unit}" if unit else "write 10MiB, 2GB or 512B"


def _share_meant(value: float) -> str:
    if 0 < value <= 1:
        return f"{_plain(value * 100, digits=6)}%"
    if 1 < value <= 100:
        return f"{_plain(value, digits=6)}%"
    return "95% or 99.9%"


def _plain(number: float, *, digits: int) -> str:
    """Write a number with at most so many digits behind the point and no trailing zeros."""
    text = f"{number:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
