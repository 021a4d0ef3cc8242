"""Numbered datagrams from one end of a line to the other: what arrives, how often, and in which order."""

import socket
import threading
import time

_SO_RCVBUFFORCE = 33


class Datagrams:
    """A sender and a receiver. A trickle is sent all the time, so that a fault has something to bite."""

    def __init__(self, sending, receiving):
        self._sending, self._receiving = sending, receiving
        self._got = []
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._receive, self._trickle)]
        for thread in self._threads:
            thread.start()

    def _receive(self):
        self._receiving.settimeout(0.05)
        while not self._stopping.is_set():
            try:
                data = self._receiving.recv(2048)
            except TimeoutError:
                continue
            if data != b"trickle" and data.isdigit():
                self._got.append(int(data))

    def _trickle(self):
        while not self._stopping.wait(0.005):
            self._sending.send(b"trickle")

    def order_of(self, count):
        """Send so many; return the numbers in the order in which they arrived."""
        self._got.clear()
        for number in range(count):
            self._sending.send(str(number).encode())
            if number % 20 == 19:
                time.sleep(0.002)
        quiet_since, seen = time.monotonic(), 0
        while time.monotonic() - quiet_since < 0.5:
            if len(self._got) != seen:
                quiet_since, seen = time.monotonic(), len(self._got)
            time.sleep(0.05)
        return list(self._got)

    def share_of(self, count):
        """Send so many; return how many arrived for each that was sent."""
        return len(self.order_of(count)) / count

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        self._sending.close()
        self._receiving.close()


def between(client_socket, server_socket, address):
    """Return datagrams from one socket to the other, which is bound to an address."""
    # A receiver that is slow to read must lose none of them: only root may have such a buffer.
    server_socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 2**24)
    server_socket.bind(address)
    client_socket.connect(address)
    return Datagrams(client_socket, server_socket)
