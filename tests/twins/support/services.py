"""Services as those of the lab, and how they are."""

import contextlib
import http.client
import os
import socket
import subprocess
import sys
import time
from urllib.parse import urlsplit


def status_at(url):
    """Return the status of an answer, or None without one."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=20)
    try:
        connection.request("GET", parts.path)
        return connection.getresponse().status
    except OSError:
        return None
    finally:
        connection.close()


def until(holds):
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@contextlib.contextmanager
def service(lab, join, *words):
    """Lend the address of a service of its own, which a function has put where it shall live."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        listen = f"127.0.0.1:{free.getsockname()[1]}"
    command = [sys.executable, "-m", "chaoslab.lab.service", "--listen", listen, *words]
    environment = os.environ | {"DATABASE_URL": lab["service"]["dsn"]}
    process = subprocess.Popen(command, env=environment, start_new_session=True)
    try:
        join(process.pid)
        until(lambda: status_at(f"http://{listen}/actuator/health") == 200)
        yield f"http://{listen}"
    finally:
        process.kill()
        process.wait()
