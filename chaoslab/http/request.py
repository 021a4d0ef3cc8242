"""What a prober asks, worked out once: where to connect to, and the bytes to send."""

import functools
import ssl
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from chaoslab.core.errors import BadUsage

_PORTS = {"http": 80, "https": 443}
_WITH_BODY = ("POST", "PUT", "PATCH")
_LEGAL = "/?%:=&~+!$,;'@()*[]"
"""What may stand in the target of a request as it is; anything else is percent-encoded."""


@dataclass(frozen=True, slots=True)
class Request:
    """One question, ready to be sent again and again."""

    host: str
    port: int
    tls: ssl.SSLContext | None
    data: bytes
    bodiless: bool
    """True when an answer has no body whatever its head says, as to HEAD."""


@functools.cache
def _trusting_as_usual() -> ssl.SSLContext:
    """Return the context of all requests: to make one reads all certificates of the machine."""
    return ssl.create_default_context()


def _ascii(host: str, url: str) -> str:
    try:
        return host if host.isascii() else host.encode("idna").decode()
    except UnicodeError as error:
        raise BadUsage(f"{url!r} is no web address: {error}") from error


def request_of(url: str, *, method: str = "GET", body: bytes = b"") -> Request:
    """Prepare a request.

    Args:
        url: `http://` or `https://` address
        method: GET, POST ...
        body: JSON to send along; POST, PUT and PATCH without one are sent with an empty body

    Raises:
        BadUsage: the address is none that can be asked.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise BadUsage(f"{url!r} is no web address: {error}") from error
    if parts.scheme not in _PORTS or not parts.hostname:
        raise BadUsage(f"{url!r} is no web address; write http://HOST:PORT/PATH")
    if parts.username is not None:
        raise BadUsage("the web address holds a user name; a prober asks without credentials")
    target = quote((parts.path or "/") + (f"?{parts.query}" if parts.query else ""), safe=_LEGAL)
    host = _ascii(parts.hostname, url)
    named = f"[{host}]" if ":" in host else host
    lines = [
        f"{method} {target} HTTP/1.1",
        f"Host: {named}" + (f":{port}" if port is not None else ""),
        "User-Agent: chaoslab",
        "Accept: */*",
        "Connection: close",
    ]
    if body:
        lines.append("Content-Type: application/json")
    if body or method in _WITH_BODY:
        lines.append(f"Content-Length: {len(body)}")
    return Request(
        host=host,
        port=_PORTS[parts.scheme] if port is None else port,
        tls=_trusting_as_usual() if parts.scheme == "https" else None,
        data="\r\n".join([*lines, "", ""]).encode() + body,
        bodiless=method == "HEAD",
    )
