"""Look on, beside a test, while something runs."""

import threading


class Onlooker:
    """Calls `look` in a thread of its own when the block begins; `look` returns soon after `over` is set."""

    def __init__(self):
        self.over = threading.Event()
        self._thread = threading.Thread(target=self.look)

    def look(self):
        raise NotImplementedError

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self._thread.join()
