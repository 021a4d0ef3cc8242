"""Ask a service over HTTP whether it answers, and how it is."""

from __future__ import annotations

import http.client
from urllib.parse import urlsplit

HEALTH_S = 2.0


def answers_http(url: str) -> int | None:
    """Return the status with which an address answers; None when it does not."""
    parts_of_url = urlsplit(url)
    connection = http.client.HTTPConnection(parts_of_url.netloc, timeout=HEALTH_S)
    try:
        connection.request("GET", parts_of_url.path or "/")
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def health(url: str) -> int | None:
    """Return the status with which the service answers about its health; None when it does not answer."""
    return answers_http(f"{url}/actuator/health")
