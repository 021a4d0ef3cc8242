"""One or many connection strings in one variable."""

import re
from collections.abc import Sequence

_BETWEEN = re.compile(r"\s*[;\n]\s*(?=postgres(?:ql)?://|(?:host|hostaddr|service|port|dbname|user)\s*=|$)")


def connection_strings(value: str | Sequence[str]) -> list[str]:
    """Return the connection strings in a list, or in a text in which `;` or a new line stands between them."""
    if isinstance(value, str):
        return [piece.strip() for piece in _BETWEEN.split(value) if piece.strip()]
    return [str(piece).strip() for piece in value if str(piece).strip()]
