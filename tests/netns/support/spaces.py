"""Network namespaces of the tests: named by the process, so that two test runs never meet."""

import itertools
import os
import subprocess

_NUMBERS = itertools.count()


def ip(*words):
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True, timeout=30).stdout


class Space:
    """A network namespace with its loopback up."""

    def __init__(self):
        self.name = f"cl{os.getpid()}-{next(_NUMBERS)}"
        ip("netns", "add", self.name)
        ip("-n", self.name, "link", "set", "lo", "up")

    def run(self, *words, stdin="", check=True):
        command = ["ip", "netns", "exec", self.name, *words]
        done = subprocess.run(command, input=stdin, check=check, capture_output=True, text=True, timeout=30)
        return done.stdout

    def remove(self):
        subprocess.run(["ip", "netns", "del", self.name], check=False, capture_output=True, timeout=30)


def joined(left, right, number=1):
    """Join two namespaces by a veth pair; return their addresses."""
    names = f"v{number}", f"v{number}"
    ip("link", "add", names[0], "netns", left.name, "type", "veth", "peer", "name", names[1], "netns", right.name)
    addresses = []
    for host, space in enumerate((left, right), 1):
        address = f"10.203.{number}.{host}"
        ip("-n", space.name, "address", "add", f"{address}/24", "dev", f"v{number}")
        ip("-n", space.name, "address", "add", f"fd00:203:{number}::{host}/64", "dev", f"v{number}", "nodad")
        ip("-n", space.name, "link", "set", f"v{number}", "up")
        addresses.append(address)
    return tuple(addresses)
