"""Passwords inside connection strings, masked: what they are must never be written, nor change a digest."""

from __future__ import annotations

import re
from typing import Any

MASK = "***"
_IN_ADDRESS = re.compile(r"(?P<head>[a-z][a-z0-9+.-]*://[^\s:/@]*:)(?P<secret>[^\s/]+)(?=@)", re.IGNORECASE)
_AFTER_KEY = re.compile(
    r"(?P<head>\b(?:password|passwd|pgpassword|secret|token)\s*=\s*)(?P<secret>'(?:[^'\\]|\\.)*'|[^\s'&]+)",
    re.IGNORECASE,
)


def mask_passwords(value: Any) -> Any:
    """Return JSON data with the passwords in all its texts masked; masking twice changes nothing."""
    if isinstance(value, str):
        return _AFTER_KEY.sub(rf"\g<head>{MASK}", _IN_ADDRESS.sub(rf"\g<head>{MASK}", value))
    if isinstance(value, dict):
        return {mask_passwords(key): mask_passwords(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [mask_passwords(inner) for inner in value]
    return value
