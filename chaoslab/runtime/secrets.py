"""Keep secrets out of everything that is written: values are replaced where text leaves the process."""

import re
import threading
from typing import Any
from urllib.parse import unquote

from chaoslab.core.masking import MASK, mask_passwords, passwords_in

_SHORT = 6
"""A shorter value is masked only where it stands alone: `abc` must not blank half of a report."""


class Secrets:
    """The values that must never be written."""

    def __init__(self) -> None:
        self._values: set[str] = set()
        self._lock = threading.Lock()

    def register(self, value: str) -> None:
        """Have a value masked from now on, in its plain and its URL-quoted form."""
        with self._lock:
            self._values.update(form for form in (value, unquote(value)) if form)

    def register_dsn(self, dsn: str) -> None:
        """Have the password inside a connection string masked, wherever it turns up."""
        for password in passwords_in(dsn):
            self.register(password)

    def redact(self, text: str) -> str:
        """Return the text with registered values and passwords of connection strings masked."""
        for value in sorted(self._values, key=len, reverse=True):
            if len(value) >= _SHORT:
                text = text.replace(value, MASK)
            else:
                text = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", MASK, text)
        masked: str = mask_passwords(text)
        return masked

    def redact_json(self, value: Any) -> Any:
        """Return JSON data with every string in it, keys too, redacted; what is no JSON becomes redacted text."""
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, str):
            return self.redact(value)
        if isinstance(value, dict):
            return {self.redact(str(key)): self.redact_json(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.redact_json(item) for item in value]
        return self.redact(str(value))
