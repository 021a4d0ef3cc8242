"""Rules about secrets that stand in a file. What they are is never said."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from chaoslab.core.checks.finding import Told
from chaoslab.core.checks.view import View
from chaoslab.core.masking import passwords_in
from chaoslab.core.positions import Path

_NAME = re.compile(
    r"(^|[_\W-])(pass(word|wd|phrase)?|pwd|secret|token|credentials?|(api|private|access|secret)[_-]?key)$", re.I
)
_TOKENS = (
    ("an AWS access key", re.compile(r"\b(AKIA|ASIA)[0-9A-Z]{16}\b")),
    ("a GitHub token", re.compile(r"\b(gh[pousr]_[A-Za-z0-9]{36}|github_pat_\w{40,})")),
    ("a Slack token", re.compile(r"\bxox[abprs]-[A-Za-z0-9-]{10,}")),
    ("a private key", re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")),
    ("a signed token", re.compile(r"\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]+")),
    ("a bearer token", re.compile(r"^(Bearer|Token)\s+(?!\$|<|\{)[\w.~+/-]{16,}=*$", re.I)),
    ("a name with its password", re.compile(r"^Basic\s+(?!\$|<|\{)[A-Za-z0-9+/]{8,}={0,2}$", re.I)),
)
_SHORTEST_TOKEN = 14
_PLACEHOLDER = re.compile(
    r"(<.*>|\[.*\]|\*+|x{3,}|\.{3}|-+|none|null|n/?a|.*\$[\w({].*|\{\{.*\}\}|%\w*%?|"
    r"(your|my|the|some|insert|enter|replace|put)[ _-].*|.*(placeholder|redacted|example).*)",
    re.I | re.S,
)
_REMEDY = "take it from the environment: `secrets: {GROUP: {NAME: {type: env, key: VARIABLE}}}`"
_SKIPPED = ("title", "description", "tags", "contributions", "extensions", "name", "key", "module", "func")


def in_clear(view: View) -> Iterator[Told]:
    """Find passwords and tokens that are written out."""
    for path, name, text in _texts(view.document, (), ""):
        if not text:
            continue
        long_enough = len(text) >= _SHORTEST_TOKEN
        what = next((what for what, pattern in _TOKENS if pattern.search(text)), "") if long_enough else ""
        named = not what and _NAME.search(name) is not None
        if (what or named) and _PLACEHOLDER.fullmatch(text):
            continue
        if what:
            yield Told(path, "secret-in-clear", f"{what} stands here for everybody to read", _REMEDY)
        elif named and not _is_address_of_one(text):
            yield Told(path, "secret-in-clear", f"'{name}' stands here for everybody to read", _REMEDY)
        elif any(found and not _PLACEHOLDER.fullmatch(found) for found in passwords_in(text)):
            yield Told(path, "secret-in-clear", "a password stands in this text for everybody to read", _REMEDY)


def _texts(value: Any, path: Path, name: str) -> Iterator[tuple[Path, str, str]]:
    """Yield every text with its path and the name that says what it is."""
    if isinstance(value, str):
        yield path, name, value
    elif isinstance(value, dict):
        is_variable = value.get("type") == "env"
        for key, inner in value.items():
            if key in _SKIPPED or (is_variable and key != "default"):
                continue
            # The default of a variable, and the value under a name, are that name's.
            told = name if is_variable or key in ("default", "value") else str(key)
            yield from _texts(inner, (*path, key), told)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            before = value[index - 1] if index else ""
            # `--password`, then the password.
            flag = before.lstrip("-") if isinstance(before, str) and before.startswith("-") else ""
            yield from _texts(inner, (*path, index), flag if isinstance(inner, str) else name)


def _is_address_of_one(text: str) -> bool:
    """Say whether a text says where a secret lies: a path, or a place in a vault."""
    return (
        text.startswith(("/", "./", "~/", "vault:", "file:", "arn:", "env:", "secret/", "projects/")) and len(text) > 1
    )


RULES = (in_clear,)
