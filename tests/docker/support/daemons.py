"""A Docker daemon of our own besides the one of the lane, which may be killed and started again."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from process_table import is_running
from waiting import until

from chaoslab.docker.client import connect

ROOT = Path(__file__).parents[3]


class Daemon:
    """One that is there for a test alone."""

    def __init__(self, folder):
        self.folder = folder
        self.start()

    def _script(self, *words):
        environment = {name: value for name, value in os.environ.items() if name != "DOCKER_HOST"}
        # An address where nobody answers: whatever daemon the machine has is not taken.
        environment |= {"PYTHONPATH": str(ROOT), "DOCKER_HOST": f"unix://{self.folder}/nobody.sock"}
        command = [sys.executable, str(ROOT / "scripts" / "docker_lab.py"), *words]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=600)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def start(self):
        self.address = self._script("start", str(self.folder)).partition("=")[2]

    def run(self, command, **options):
        self.image = self._script("image", str(self.folder))
        client = connect(self.address)
        made = client.containers.run(self.image, command, name="gone", network="none", detach=True, **options)
        made.reload()
        return made

    def kill(self):
        pid = int((self.folder / "docker.pid").read_text())
        os.kill(pid, signal.SIGKILL)
        until(lambda: not is_running(pid), "the daemon is gone")

    def stop(self):
        self._script("stop", str(self.folder))


@contextlib.contextmanager
def own_daemon():
    """Lend one, and stop it."""
    with tempfile.TemporaryDirectory(prefix="cl-second-") as folder:
        made = Daemon(Path(folder, "d"))
        try:
            yield made
        finally:
            made.start()
            made.stop()
