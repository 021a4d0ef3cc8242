"""Containers to be broken, and eyes outside of them."""

import time

from conformance import until

TICK = "import itertools, time\nfor n in itertools.count(): print(n, file=open('/out/ticks', 'a')); time.sleep(0.01)"


class Ticker:
    """A container that counts into a file of this machine, so that one sees without its daemon whether it goes on."""

    def __init__(self, run, folder, **options):
        folder.mkdir(exist_ok=True)
        self.out = folder / "ticks"
        self.out.touch()
        volumes = {str(folder): {"bind": "/out", "mode": "rw"}, **options.pop("volumes", {})}
        self.container = run(["python3", "-c", TICK], volumes=volumes, **options)
        until(lambda: self.out.stat().st_size, "it counts")

    @property
    def name(self):
        return self.container.name

    def is_silent(self):
        """Say whether nothing is counted for a second, in which also a busy machine has a little time."""
        before, deadline = self.out.stat().st_size, time.monotonic() + 1.0
        while time.monotonic() < deadline:
            if self.out.stat().st_size > before:
                return False
            time.sleep(0.01)
        return True

    def state(self):
        self.container.reload()
        return self.container.attrs["State"]

    def remove(self):
        self.container.remove(force=True, v=True)
