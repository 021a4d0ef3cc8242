"""A small service that lives on its database, as many do: it reads, it writes, it says how it is.

    DATABASE_URL=postgresql://... [REDIS_URL=redis://...] [PROVIDERS_URL=http://...] \\
        python -m chaoslab.lab.service --listen 127.0.0.1:8082
    DATABASE_URL=postgresql://... python -m chaoslab.lab.service --check

    GET  /appointments/ID     200; from Redis or memory with `X-Degraded: true` when the database is away; else 503
    POST /appointments        201, 422 when the database refuses it, 503 when it is away
    GET  /providers/ID        200; from memory with `X-Degraded: true` when the downstream service is away; else 503
    GET  /actuator/health     200 UP, 200 DEGRADED while it can do without what is away, 503 DOWN without its database
    GET  /metrics             Prometheus; as /actuator/prometheus too

No answer takes longer than about 1.5 seconds, whatever becomes of what it needs. With `--fragile` it is its own twin,
which nobody made resilient: no deadlines, no pool, no circuit breaker, no memory. `--spare SIZE` gives it a watermark
too: it does nothing while less memory than that is available on its machine, whoever it is that has taken it.
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from chaoslab.core.units import parse_size
from chaoslab.lab.appointments import SESSION, Appointments
from chaoslab.lab.breaker import Unavailable
from chaoslab.lab.cache import Cache
from chaoslab.lab.lookups import Providers
from chaoslab.lab.metrics import Requests, of_breakers, of_cache, of_pool
from chaoslab.lab.pool import Pool
from chaoslab.lab.webserver import REQUESTS_MAX, Handler, WebServer, serve_until_told
from chaoslab.postgres.connect import load_psycopg, one_line
from chaoslab.runtime.clock import CLOCK

APPLICATION = "appointment-service"
FRAGILE_REQUESTS_MAX = 2000
"""What the twin bears is what its machine bears; a lab's machine has more to do."""
POOL_SIZE = 20
APPOINTMENT = re.compile(r"/appointments/(\d{1,18})")
PROVIDER = re.compile(r"/providers/(\d{1,9})")


class Service(WebServer):
    """The HTTP server with what its handlers share."""

    def __init__(self, address: tuple[str, int], parts: Parts, *, requests_max: int = REQUESTS_MAX) -> None:
        """Listen at an address, and serve from these parts."""
        self.parts = parts
        self.requests = Requests(APPLICATION)
        super().__init__(address, ServiceHandler, requests_max=requests_max)

    def metrics(self) -> str:
        """Return all figures for a scrape."""
        parts = self.parts
        text = self.requests.text() + of_pool(parts.pool, APPLICATION) + of_breakers(parts.breakers, APPLICATION)
        return text + of_cache(parts.cache, APPLICATION) if parts.cache.is_there else text


class Parts:
    """What the service stands on."""

    def __init__(self, pool: Pool, *, redis: str = "", providers: str = "", fragile: bool = False) -> None:
        """Take what is there.

        Args:
            pool: of the database
            redis: address of Redis, or ''
            providers: address of the downstream service, or ''
            fragile: go about all of it as if nothing ever failed
        """
        self.pool = pool
        self.cache = Cache(redis, fragile=fragile)
        self.appointments = Appointments(pool, self.cache, fragile=fragile)
        self.providers = Providers(providers, self.cache, fragile=fragile)
        self.fragile = fragile
        self.breakers = [self.appointments.breaker]
        self.breakers += [part.breaker for part in (self.cache, self.providers) if part.is_there]

    def health(self) -> tuple[int, dict[str, Any]]:
        """Ask everything how it is; return the status to answer with, and what to tell."""
        checks = {"db": self.appointments.check}
        if self.cache.is_there:
            checks["redis"] = self.cache.check
        if self.providers.is_there:
            checks["downstream"] = self.providers.check
        components = {name: _component(check) for name, check in checks.items()}
        down = {name for name, component in components.items() if component["status"] == "DOWN"}
        # A service that cannot do without is down when anything is; one that can is merely degraded.
        word = "UP" if not down else "DOWN" if self.fragile or "db" in down else "DEGRADED"
        states = {breaker.name: {"state": breaker.state.upper()} for breaker in self.breakers}
        components["circuitBreakers"] = {"status": "UP", "details": states}
        return (503 if word == "DOWN" else 200), {"status": word, "components": components}


def _component(check: Callable[[], object]) -> dict[str, Any]:
    try:
        check()
    except Unavailable as away:
        return {"status": "DOWN", "error": str(away)}
    return {"status": "UP"}


class ServiceHandler(Handler):
    """One connection of a client."""

    server: Service

    def do_GET(self) -> None:
        """Answer a reader."""
        begin = CLOCK.mono()
        parts = self.server.parts
        if match := APPOINTMENT.fullmatch(self.path):
            number = int(match[1])
            self._timed("/appointments/{id}", begin, lambda: self._get(parts.appointments.get, number))
        elif (match := PROVIDER.fullmatch(self.path)) and parts.providers.is_there:
            number = int(match[1])
            self._timed("/providers/{id}", begin, lambda: self._get(parts.providers.get, number))
        elif self.path == "/actuator/health":
            self._timed(self.path, begin, lambda: self.answer_json(*parts.health()))
        elif self.path in {"/metrics", "/actuator/prometheus"}:
            self.answer(200, self.server.metrics().encode(), {"Content-Type": "text/plain; version=0.0.4"})
        else:
            self._timed("UNKNOWN", begin, lambda: self.answer_json(404, {"error": "no such thing"}))

    def do_POST(self) -> None:
        """Answer a writer."""
        begin = CLOCK.mono()
        if self.path == "/appointments":
            self._timed(self.path, begin, self._post)
        else:
            self.close_connection = True
            self._timed("UNKNOWN", begin, lambda: self.answer_json(404, {"error": "no such thing"}))

    def _get(self, get: Callable[[int], tuple[dict[str, Any] | None, bool]], number: int) -> int:
        try:
            found, degraded = get(number)
        except Unavailable as away:
            return self.answer_json(503, {"error": str(away)}, {"Retry-After": "1"})
        if found is None:
            return self.answer_json(404, {"error": f"there is no {number}"})
        return self.answer_json(200, found, {"X-Degraded": "true"} if degraded else {})

    def _post(self) -> int:
        try:
            wish = self.body()
        except ValueError as wrong:
            self.close_connection = True
            return self.answer_json(400, {"error": str(wrong)})
        try:
            made = self.server.parts.appointments.create(wish)
        except Unavailable as away:
            return self.answer_json(503, {"error": str(away)}, {"Retry-After": "1"})
        except load_psycopg().Error as refused:
            return self.answer_json(422, {"error": one_line(refused)})
        return self.answer_json(201, made, {"Location": f"/appointments/{made['id']}"})

    def _timed(self, uri: str, begin: float, work: Callable[[], int]) -> None:
        status = work()
        self.server.requests.observe(self.command, uri, status, CLOCK.mono() - begin)


def service_of(address: tuple[str, int], dsn: str, *, pool_size: int = POOL_SIZE) -> Service:
    """Return the service that the environment asks for, listening."""
    return Service(address, _parts(Pool(dsn, size=pool_size, options=SESSION)))


def twin_of(address: tuple[str, int], dsn: str, *, spare_bytes: int = 0) -> Service:
    """Return its fragile twin, listening."""
    from chaoslab.lab.fragile import Unpooled

    pool = Unpooled(dsn, options=SESSION, spare_bytes=spare_bytes)
    return Service(address, _parts(pool, fragile=True), requests_max=FRAGILE_REQUESTS_MAX)


def _parts(pool: Pool, *, fragile: bool = False) -> Parts:
    redis, providers = os.environ.get("REDIS_URL", ""), os.environ.get("PROVIDERS_URL", "")
    return Parts(pool, redis=redis, providers=providers, fragile=fragile)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the service, or check a database, from the command line."""
    parser = argparse.ArgumentParser(prog="python -m chaoslab.lab.service")
    parser.add_argument("--listen", default="127.0.0.1:8082", metavar="HOST:PORT")
    parser.add_argument("--pool", type=int, default=POOL_SIZE, metavar="N", help="the most database connections")
    parser.add_argument("--fragile", action="store_true", help="be the twin that is not resilient")
    parser.add_argument("--spare", type=_size, default=0, metavar="SIZE", help="the memory that the twin wants free")
    parser.add_argument("--check", action="store_true", help="one end-to-end query against the database, then exit")
    given = parser.parse_args(arguments)
    dsn = os.environ.get("DATABASE_URL", "")
    if not dsn:
        parser.error("DATABASE_URL is not set")
    if given.check:
        from chaoslab.lab.check import report

        raise SystemExit(report(dsn))
    if given.spare and not given.fragile:
        parser.error("--spare is for the twin, with --fragile")
    host, _, port = given.listen.rpartition(":")
    address = (host, int(port))
    make = partial(twin_of, spare_bytes=given.spare) if given.fragile else partial(service_of, pool_size=given.pool)
    with make(address, dsn) as service:
        serve_until_told(service)


def _size(text: str) -> int:
    try:
        return parse_size(text)
    except ValueError as wrong:
        raise argparse.ArgumentTypeError(str(wrong)) from None


if __name__ == "__main__":
    main()
