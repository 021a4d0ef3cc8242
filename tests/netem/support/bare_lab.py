"""The lab's service, its twin, and their PostgreSQL behind a proxy; nothing else: a slow kernel bears no more."""

import contextlib
import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple

from chaoslab.lab import parts, starting
from chaoslab.lab.databases import SERVICE_DATABASE
from chaoslab.lab.home import Home
from chaoslab.lab.server import filled, running_server
from chaoslab.postgres.servers import postmaster

MEMORY = "/dev/shm"
"""In User-Mode Linux a server bears no folder of the host's."""


class BareLab(NamedTuple):
    """Where its parts are to be found."""

    url: str
    twin: str
    port: int
    """Where both find their database."""


@contextlib.contextmanager
def bare_lab():
    """Lend such a lab."""
    root = Path(tempfile.mkdtemp(prefix="chaoslab-bare-lab-", dir=MEMORY))
    root.chmod(0o711)
    place = Home(root / "lab")
    place.make()
    try:
        cluster = running_server(place, print)
        names = filled(cluster, (SERVICE_DATABASE,), 1, print)
        port = place.port("proxy", in_use=False)
        starting.proxy(place, "proxy", port, upstream_port=cluster.port, tell=print)
        nothing = starting.Surroundings(0, 0, 0, 0, 0)
        environment = starting.environment_of_service(place, cluster, names, proxy_port=port, ports=nothing)
        environment |= {"PROVIDERS_URL": ""}
        url = starting.service(place, environment, print, under_faketime=False)
        yield BareLab(url, starting.twin(place, environment, print), port)
    finally:
        for part in ("twin", "supervisor", "proxy"):
            parts.stop(place, part)
        postmaster.destroy(place.server)
        shutil.rmtree(root)
