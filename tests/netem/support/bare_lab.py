"""The lab's service and its PostgreSQL with the proxy between them, and nothing else: a slow kernel bears no more."""

import contextlib
import shutil
import tempfile
from pathlib import Path

from chaoslab.lab import parts, starting
from chaoslab.lab.databases import SERVICE_DATABASE
from chaoslab.lab.home import Home
from chaoslab.lab.server import filled, running_server
from chaoslab.postgres.servers import postmaster

MEMORY = "/dev/shm"
"""In User-Mode Linux a server bears no folder of the host's."""


@contextlib.contextmanager
def bare_lab():
    """Lend where its service answers, and on which port it finds its database."""
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
        url = starting.service(place, environment | {"PROVIDERS_URL": ""}, print, under_faketime=False)
        yield url, port
    finally:
        for part in ("supervisor", "proxy"):
            parts.stop(place, part)
        postmaster.destroy(place.server)
        shutil.rmtree(root)
