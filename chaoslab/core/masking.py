"""Passwords inside connection strings, masked: what they are must never be written, nor change a digest."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

MASK = "***"
_IN_ADDRESS = re.compile(
    # It begins where a word does: tried from every letter, a long word without `://` would take for ever.
    r"(?P<head>(?<![a-z0-9+.-])[a-z0-9+.-]+://[^\s:/@]*:)(?P<secret>[^\s/]+)(?=@)",
    re.IGNORECASE,
)
_AFTER_KEY = re.compile(
    r"(?P<head>\b\w*(?:password|passwd|secret|token)\s*=\s*)(?P<secret>'(?:[^'\\]|\\.)*'|[^\s'&]+)",
    re.IGNORECASE,
)


def passwords_in(text: str) -> Iterator[str]:
    """Return the passwords that stand in the connection strings of a text, as they are written there and as meant."""
    for pattern in (_IN_ADDRESS, _AFTER_KEY):
        for match in pattern.finditer(text):
            written = match["secret"].strip("'")
            yield written
            if "\\" in written:
                yield re.sub(r"\\(.)", r"\1", written)  # how libpq reads it


def mask_passwords(value: Any) -> Any:
    """Return JSON data with the passwords in all its texts masked; masking twice changes nothing."""
    if isinstance(value, str):
        # Every text that is written comes through here, and hardly one can hold a password.
        if "://" in value:
            value = _IN_ADDRESS.sub(rf"\g<head>{MASK}", value)
        return _AFTER_KEY.sub(rf"\g<head>{MASK}", value) if "=" in value else value
    if isinstance(value, dict):
        return {mask_passwords(key): mask_passwords(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [mask_passwords(inner) for inner in value]
    return value
