"""Figures that a service tells of itself, in Prometheus's text format, and what it tells as JSON."""

from __future__ import annotations

import http.client
import json
import re
import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from chaoslab.core.errors import BadUsage, ChaoslabError
from chaoslab.core.units import format_size
from chaoslab.runtime.clock import CLOCK

ANSWER_MAX_BYTES = 16 * 2**20
_CHUNK_BYTES = 64 * 1024
_LINE = re.compile(r"([A-Za-z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)(?:\s+-?\d+)?")
_LABEL = re.compile(r'([A-Za-z_]\w*)\s*=\s*"((?:[^"\\]|\\.)*)"')
_ESCAPED = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}


class NoAnswer(ChaoslabError):
    """The address gave no answer that could be read."""


def fetched(url: str, *, timeout_s: float) -> bytes:
    """Return what an address answers, whatever its status: a health page says DOWN with 503.

    Args:
        url: `http://` or `https://` address
        timeout_s: seconds until the whole answer must be there

    Raises:
        BadUsage: it is no web address.
        NoAnswer: nothing came, or not all of it in time.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.netloc or parts.username is not None:
        raise BadUsage(f"url: {url!r} is no web address; write http://HOST:PORT/PATH")
    until = CLOCK.mono() + timeout_s
    if parts.scheme == "https":
        tls = ssl.create_default_context()
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            parts.netloc, timeout=timeout_s, context=tls
        )
    else:
        connection = http.client.HTTPConnection(parts.netloc, timeout=timeout_s)
    try:
        connection.request("GET", (parts.path or "/") + (f"?{parts.query}" if parts.query else ""))
        answer, body = connection.getresponse(), b""
        while piece := answer.read1(_CHUNK_BYTES):
            body += piece
            if len(body) > ANSWER_MAX_BYTES:
                raise NoAnswer(f"{url} answers with more than {format_size(ANSWER_MAX_BYTES)}")
            if CLOCK.mono() > until:
                raise NoAnswer(f"{url} did not come to an end within {timeout_s:g} s")
        return body
    except (OSError, http.client.HTTPException) as broken:
        raise NoAnswer(f"{url} does not answer: {str(broken) or type(broken).__name__}") from broken
    finally:
        connection.close()


def total_of(text: str, name: str, labels: Mapping[str, str]) -> float | None:
    """Return the sum of all samples of a metric that have these labels, whatever others they have; None without any.

    Args:
        text: in Prometheus's format; lines that are none are passed over
        name: of the metric, with `_total`, `_count` and the like
        labels: all of them must match
    """
    values = []
    for line in text.splitlines():
        found = _LINE.fullmatch(line.strip())
        if found is None or found[1] != name:
            continue
        told = {key: _unescaped(value) for key, value in _LABEL.findall(found[2] or "")}
        if all(told.get(key) == value for key, value in labels.items()):
            values.append(_number(found[3]))
    return sum(values) if values else None


def labels_of(text: str) -> dict[str, str]:
    """Read `name=downstream,state=open`.

    Raises:
        BadUsage: it is not of this form.
    """
    pairs = [pair.partition("=") for pair in text.split(",") if pair.strip()]
    if any(not sign or not key.strip() for key, sign, _ in pairs):
        raise BadUsage(f"labels: {text!r} is not of the form name=value,name=value")
    return {key.strip(): value.strip() for key, _, value in pairs}


def field_of(body: bytes, path: str) -> Any:
    """Return what a JSON answer says at `components.db.status`; None when it says nothing there."""
    try:
        found: Any = json.loads(body)
    except ValueError:
        return None
    for part in path.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


def _unescaped(text: str) -> str:
    return re.sub(r"\\.", lambda found: _ESCAPED.get(found[0], found[0]), text)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
