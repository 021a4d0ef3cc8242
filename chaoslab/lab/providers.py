"""The service that the lab's service asks who a provider is: small, quick, and without a database.

python -m chaoslab.lab.providers --listen 127.0.0.1:8083

GET /providers/ID   200, or 404 beyond the last one
GET /health         200
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence

from chaoslab.lab.webserver import Handler, WebServer, serve_until_told

PROVIDERS = 500
PROVIDER = re.compile(r"/providers/(\d{1,9})")
SPECIALITIES = ("cardiology", "dermatology", "neurology", "paediatrics", "radiology")


class ProvidersHandler(Handler):
    """One connection of a client."""

    def do_GET(self) -> None:
        """Answer a reader."""
        match = PROVIDER.fullmatch(self.path)
        number = int(match[1]) if match else 0
        if 1 <= number <= PROVIDERS:
            speciality = SPECIALITIES[number % len(SPECIALITIES)]
            self.answer_json(200, {"id": number, "name": f"Provider {number}", "speciality": speciality})
        elif self.path == "/health":
            self.answer_json(200, {"status": "UP"})
        else:
            self.answer_json(404, {"error": "no such thing"})


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the service from the command line."""
    parser = argparse.ArgumentParser(prog="python -m chaoslab.lab.providers")
    parser.add_argument("--listen", default="127.0.0.1:8083", metavar="HOST:PORT")
    host, _, port = parser.parse_args(arguments).listen.rpartition(":")
    with WebServer((host, int(port)), ProvidersHandler) as server:
        serve_until_told(server)


if __name__ == "__main__":
    main()
