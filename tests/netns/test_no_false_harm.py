"""While a network fault is on, the rest of the place suffers nothing: no packet lost, no connection cut."""

import socket
import threading

import pytest
from spaces import ip
from talking import PORTS, Line, Talking, until

from chaoslab.network.dns import no_answer
from chaoslab.network.firewall import block_port, partition
from chaoslab.network.shaping import limit_rate
from chaoslab.runtime.fault import fault_of, pin_of

HIT, OTHER = PORTS
SECOND = "10.203.1.22"


class Flow:
    """Somebody who says a word and waits for the same, again and again, on one connection as SSH does."""

    def __init__(self, talking, port, *, address="", kind=socket.SOCK_STREAM):
        self._line = Line(talking.client, address or talking.server_address, port, kind=kind)
        self._patience_s = 30.0 if kind == socket.SOCK_STREAM else 5.0
        self._may_lose = kind == socket.SOCK_DGRAM
        self.answered, self.lost, self.error = 0, 0, ""
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._talk, daemon=True)
        self._thread.start()

    def _talk(self):
        while not self._over.wait(0.01):
            answer = self._line.says(b"word", self._patience_s)
            if answer == b"word":
                self.answered += 1
            elif answer == "silence" and self._may_lose:
                self.lost += 1
            else:
                self.error = str(answer)
                return

    def stop(self):
        self._over.set()
        self._thread.join()
        self._line.close()


def talk_on(flows, times):
    """Wait until each of them has said so many words more."""
    at = [flow.answered for flow in flows]
    ended = [flow for flow in flows if flow.error]
    until(
        lambda: ended or all(now.answered > then + times for now, then in zip(flows, at, strict=True)), "they talk on"
    )


@pytest.fixture(scope="module")
def talking():
    made = Talking()
    ip("-n", made.server.name, "address", "add", f"{SECOND}/24", "dev", "v1")
    yield made
    made.stop()


FAULTS = [
    (block_port, {"port": HIT, "direction": "both", "how": "reject"}),
    (block_port, {"port": HIT, "protocol": "both", "peers": "10.203.1.2"}),
    (partition, {"left": "here", "right": "10.203.1.2", "ports": HIT}),
    (limit_rate, {"interface": "v1", "rate": "1KiB", "queue": "1s", "ports": HIT}),
    (limit_rate, {"interface": "v1", "rate": "1KiB", "queue": "1s", "ports": HIT, "direction": "in"}),
    (no_answer, {"names": "db.internal", "resolver": "10.203.1.2"}),
]


@pytest.mark.parametrize(("action", "arguments"), FAULTS, ids=["reject", "drop", "partition", "rate", "rate-in", "dns"])
def test_other_ports_other_peers_and_long_connections_lose_nothing(talking, action, arguments):
    data, fault = pin_of(action)(**arguments, netns=talking.client.name).data, fault_of(action)
    flows = [Flow(talking, OTHER), Flow(talking, OTHER, kind=socket.SOCK_DGRAM)]
    flows.append(Flow(talking, OTHER, address=talking.server6))
    if "peers" in arguments:
        flows.append(Flow(talking, HIT, address=SECOND))
    try:
        talk_on(flows, 5)
        fault.inject(data)
        # In the instant in which a queue is put up, or taken away, the kernel drops what is just on its way.
        talk_on(flows, 2)
        lost = [flow.lost for flow in flows]
        if action is not no_answer:  # nobody asks for names here
            until(lambda: fault.effective(data), "it bites")
        talk_on(flows, 20)
        assert [flow.lost for flow in flows] == lost, "while it is on, nothing is lost"
        fault.undo(data)
        talk_on(flows, 5)
    finally:
        fault.undo(data)
        for flow in flows:
            flow.stop()
    assert [flow.error for flow in flows] == [""] * len(flows), "no connection was cut"
