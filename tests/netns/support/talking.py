"""Two hosts, a web-like server on one and callers on the other who never stop: the live targets of this lane."""

import os
import socket
import subprocess
import sys
import textwrap
import threading
import time

from spaces import Space, joined

PORTS = (5432, 6379)
SERVER = """
    import selectors, socket, sys
    ready = selectors.DefaultSelector()
    for port in map(int, sys.argv[1:]):
        ready.register(socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True), 1, "listen")
        udp = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        udp.bind(("::", port))
        ready.register(udp, 1, "udp")
    print("ready", flush=True)
    while True:
        for key, _ in ready.select():
            try:
                if key.data == "listen":
                    ready.register(key.fileobj.accept()[0], 1, "talk")
                elif key.data == "udp":
                    said, peer = key.fileobj.recvfrom(100)
                    key.fileobj.sendto(said, peer)
                elif said := key.fileobj.recv(100):
                    key.fileobj.send(said)
                else:
                    raise OSError
            except OSError:
                if key.data == "talk":
                    ready.unregister(key.fileobj)
                    key.fileobj.close()
"""
CALLER = """
    import socket, sys, time
    while True:
        try:
            with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=0.05) as line:
                line.send(b"x"); line.recv(1)
        except OSError:
            pass
        time.sleep(0.02)
"""
ECHO = """
    import socket, sys
    kind, address, port, patience_s = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    line = socket.socket(family, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
    line.settimeout(patience_s)
    try:
        line.connect((address, port))
        line.send(b"hello")
        print("echo" if line.recv(9) == b"hello" else "end")
    except TimeoutError:
        print("silence")
    except OSError as error:
        print(type(error).__name__)
"""


def program(code):
    return [sys.executable, "-c", textwrap.dedent(code)]


class Talking:
    """`client` and `server`, joined by a veth pair; callers of port 5432 in the background keep it used."""

    def __init__(self, *, callers=True):
        self.client, self.server = Space(), Space()
        self.client_address, self.server_address = joined(self.client, self.server)
        self.server6 = "fd00:203:1::2"
        self._processes = []
        served = self._start(self.server, SERVER, *map(str, PORTS), stdout=subprocess.PIPE)
        assert served.stdout.readline() == "ready\n"
        if callers:
            self._start(self.client, CALLER, self.server_address, str(PORTS[0]))

    def _start(self, space, code, *words, **more):
        command = ["ip", "netns", "exec", space.name, *program(code), *words]
        self._processes.append(subprocess.Popen(command, text=True, **more))
        return self._processes[-1]

    def echo(self, port=PORTS[0], *, kind="tcp", address="", patience_s=0.5):
        """Return what a client meets: echo, silence, or the name of an error."""
        words = (kind, address or self.server_address, str(port), str(patience_s))
        return self.client.run(*program(ECHO), *words).strip()

    def rulesets(self):
        return [space.run("nft", "list", "ruleset") for space in (self.client, self.server)]

    def stop(self):
        for process in self._processes:
            process.kill()
            process.wait()
            if process.stdout:
                process.stdout.close()
        self._processes = []
        self.client.remove()
        self.server.remove()


class Line:
    """An open connection from the client's namespace."""

    def __init__(self, space, address, port, *, kind=socket.SOCK_STREAM):
        self.socket = None
        thread = threading.Thread(target=self._open, args=(space, address, port, kind))
        thread.start()
        thread.join()
        assert self.socket is not None

    def _open(self, space, address, port, kind):
        with open(f"/run/netns/{space.name}") as file:
            os.setns(file.fileno(), os.CLONE_NEWNET)
        self.socket = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind)
        self.socket.settimeout(20)
        self.socket.connect((address, port))

    def says(self, word, patience_s=0.5):
        """Send a word and return what happens within a while."""
        self.socket.settimeout(patience_s)
        try:
            self.socket.send(word)
            return self.socket.recv(100)
        except TimeoutError:
            return "silence"
        except OSError as error:
            return type(error).__name__

    def close(self):
        self.socket.close()


def until(condition, what, within_s=60.0):
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"{what} within {within_s:g} s"
        time.sleep(0.02)
