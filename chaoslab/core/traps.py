"""What an unquoted YAML word means, and whether everybody agrees.

Chaos Toolkit reads YAML 1.1, where `no` is false and `12:30:00` is 45000; editors and most people expect YAML 1.2.
A word that the two read differently is a trap: whatever we did with it, somebody would be surprised.
"""

from __future__ import annotations

import datetime
import math
import re
from functools import lru_cache
from typing import Any, NamedTuple

import yaml

from chaoslab.core.units import duration_text

_OLD = yaml.SafeLoader("")
"""The very resolver and constructor that Chaos Toolkit uses, so that we cannot drift away from it."""

_NULL = re.compile(r"null|Null|NULL|~|", re.ASCII)
_TRUE = re.compile(r"true|True|TRUE", re.ASCII)
_FALSE = re.compile(r"false|False|FALSE", re.ASCII)
_INT = re.compile(r"[-+]?[0-9]+", re.ASCII)
_OCTAL = re.compile(r"0o[0-7]+", re.ASCII)
_HEX = re.compile(r"0x[0-9a-fA-F]+", re.ASCII)
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", re.ASCII)
_CLOCK = re.compile(r"([0-9]+):([0-5]?[0-9]):([0-5]?[0-9])", re.ASCII)
_LONGEST_NUMBER = 300


class Scalar(NamedTuple):
    """What a word means."""

    value: Any
    """As Chaos Toolkit reads it, except that dates stay text."""
    trap: str = ""
    """What is surprising about it; empty when nothing is."""
    hint: str = ""
    """What to write instead."""


@lru_cache(maxsize=4096)
def resolve(word: str) -> Scalar:
    """Return the meaning of an unquoted word, and the trap in it if there is one.

    Files say the same words over and over, and no meaning can be changed: it is no list.
    """
    if len(word) > _LONGEST_NUMBER:
        return _resolve_long(word)
    if _NOT_FINITE.fullmatch(word):
        return Scalar(word, f"`{word}` is no number that JSON can carry", "write a finite number")
    try:
        old = _read_as_1_1(word)
    except (ValueError, OverflowError, yaml.YAMLError):
        return Scalar(word, f"`{word}` cannot be read by Chaos Toolkit", f"write {_quoted(word)} in quotes")
    new = _read_as_1_2(word)
    if type(old) is type(new) and old == new:
        return Scalar(old)
    return _trap(word, old=old, new=new)


def _resolve_long(word: str) -> Scalar:
    """Spare long text the number readers, which refuse thousands of digits or take long over them."""
    if _INT.fullmatch(word) or _FLOAT.fullmatch(word):
        return Scalar(word, f"`{word[:20]}...` is no number that JSON can carry", "put it in quotes if it is text")
    return Scalar(word)


def _read_as_1_1(word: str) -> Any:
    tag = _OLD.resolve(yaml.ScalarNode, word, (True, False))  # type: ignore[no-untyped-call]
    node = yaml.ScalarNode(tag, word)
    if tag == "tag:yaml.org,2002:value":
        raise ValueError("PyYAML resolves `=` to a tag that it cannot construct")
    if tag == "tag:yaml.org,2002:merge":
        return word
    return _OLD.construct_object(node, deep=True)


def _read_as_1_2(word: str) -> Any:
    """Read by the core schema of YAML 1.2."""
    if _NULL.fullmatch(word):
        return None
    if _TRUE.fullmatch(word) or _FALSE.fullmatch(word):
        return bool(_TRUE.fullmatch(word))
    if _OCTAL.fullmatch(word):
        return int(word[2:], 8)
    if _HEX.fullmatch(word):
        return int(word[2:], 16)
    if _INT.fullmatch(word):
        return int(word)
    return float(word) if _FLOAT.fullmatch(word) else word


def _trap(word: str, *, old: Any, new: Any) -> Scalar:
    """Say who reads the word as what."""
    quoted = _quoted(word)
    if isinstance(old, bool):
        meant = "true" if old else "false"
        return Scalar(old, f"`{word}` is read as {meant}", f"write {meant}, or {quoted} for the word")
    if isinstance(old, datetime.date):
        return Scalar(word, f"`{word}` is read as a date by Chaos Toolkit", f"write {quoted} in quotes")
    clock = _CLOCK.fullmatch(word)
    if clock is not None:
        duration = duration_text(int(clock[1]) * 3600 + int(clock[2]) * 60 + int(clock[3]))
        hint = f"write {quoted} for a time of day, {duration} for a duration"
        return Scalar(old, f"`{word}` is read as the number {old}", hint)
    if isinstance(old, int | float):
        other = "text" if isinstance(new, str) else f"the number {new}"
        told = f"`{word}` is read as the number {old} by Chaos Toolkit and as {other} by YAML 1.2"
        return Scalar(old, told, f"write {old}, or {quoted} for text")
    if isinstance(new, float) and not math.isfinite(new):
        return Scalar(old, f"`{word}` is no number that JSON can carry", f"write {quoted} for text")
    told = f"`{word}` is read as text by Chaos Toolkit and as the number {new} by YAML 1.2"
    return Scalar(old, told, f"write {new}, or {quoted} for text")


def _quoted(word: str) -> str:
    return "'" + word.replace("'", "''") + "'"
