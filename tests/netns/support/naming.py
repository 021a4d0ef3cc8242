"""A host whose names come from a real DNS server, dnsmasq, on another one; and clients that ask."""

import subprocess
import sys
import textwrap
import time

from spaces import Space, joined

RECORDS = {"db.internal": "10.1.1.1", "web.internal": "10.1.1.2"}
ASKER = """
    import socket, struct, sys, time
    question = struct.pack(">6H", 7, 0x100, 1, 0, 0, 0)
    question += b"".join(bytes([len(label)]) + label for label in b"db.internal".split(b".")) + b"\\0\\0\\1\\0\\1"
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
            line.settimeout(0.1)
            try:
                line.sendto(question, (sys.argv[1], 53))
                line.recv(999)
            except OSError:
                pass
        time.sleep(0.05)
"""


class Naming:
    """`client` asks dnsmasq on `server`; an asker in the background keeps `db.internal` asked for."""

    def __init__(self, *, asker=True):
        self.client, self.server = Space(), Space()
        _, self.server_address = joined(self.client, self.server)
        self.server6 = "fd00:203:1::2"
        self._processes = []
        records = [f"--address=/{name}/{address}" for name, address in RECORDS.items()]
        listen = [f"--listen-address={address}" for address in (self.server_address, self.server6)]
        quiet = ["--conf-file=/dev/null", "--pid-file=", "--no-resolv", "--no-hosts", "--user=root", "--log-facility=-"]
        self._start(self.server, "dnsmasq", "--keep-in-foreground", "--bind-interfaces", *quiet, *listen, *records)
        deadline = time.monotonic() + 60
        while self.dig("db.internal") != RECORDS["db.internal"]:
            assert time.monotonic() < deadline, "dnsmasq answers"
            time.sleep(0.05)
        if asker:
            self._start(self.client, sys.executable, "-c", textwrap.dedent(ASKER), self.server_address)

    def _start(self, space, *words):
        command = ["ip", "netns", "exec", space.name, *words]
        self._processes.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))

    def dig(self, name, *more, server="", patience_s=2):
        """Return the short answer, the error's name, or `silence`."""
        flags = ["+tries=1", f"+time={patience_s}", "+noall", "+answer", "+comments"]
        said = self.client.run("dig", f"@{server or self.server_address}", *flags, *more, name, check=False)
        if "status: NOERROR" not in said:
            return said.partition("status: ")[2].partition(",")[0] or "silence"
        records = [line.split()[-1] for line in said.splitlines() if line and not line.startswith(";")]
        return ",".join(sorted(records)) or "nothing"

    def rulesets(self):
        return [space.run("nft", "list", "ruleset") for space in (self.client, self.server)]

    def stop(self):
        for process in self._processes:
            process.kill()
            process.wait()
        self._processes = []
        self.client.remove()
        self.server.remove()
