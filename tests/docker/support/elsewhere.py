"""A daemon as on another machine: its own processes, mounts and socket, reached over TCP with certificates, or SSH."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

from conformance import FaultConformance
from waiting import until

from chaoslab.core.errors import ChaoslabError
from chaoslab.docker.client import connect
from chaoslab.lab.image import ensure_image

_START = """
set -e
mount -t tmpfs tmpfs /run
mkdir -p /run/lock /run/sshd
/usr/sbin/sshd -f {folder}/ssh/sshd_config -E {folder}/ssh/log
exec dockerd --data-root={folder}/data --exec-root=/run/docker-exec --pidfile=/run/docker.pid \\
  --host=unix:///run/docker.sock --host=tcp://127.0.0.1:{port} --tlsverify --tlscacert={folder}/certs/ca.pem \\
  --tlscert={folder}/certs/server.pem --tlskey={folder}/certs/server-key.pem \\
  --bridge=none --iptables=false --ip6tables=false --ip-forward=false --ip-masq=false \\
  --default-address-pool=base=10.214.0.0/16,size=24 --userland-proxy=false
"""

_SSHD = """
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
AuthorizedKeysFile {folder}/client.pub
PidFile {folder}/pid
PasswordAuthentication no
StrictModes no
UsePAM yes
"""
_SSH = """
IdentityFile {folder}/client
IdentitiesOnly yes
IdentityAgent none
UserKnownHostsFile {folder}/known
GlobalKnownHostsFile none
"""


def openssl(folder, *words):
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True, timeout=60)


def make_certificates(folder):
    """Make an authority, and a server's and a client's certificate by it."""
    folder.mkdir()
    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    signs = ("-addext", "keyUsage=critical,keyCertSign,cRLSign")
    own = ("-days", "2", "-subj", "/CN=ca", "-keyout", "ca-key.pem", "-out", "ca.pem")
    openssl(folder, "req", "-x509", *new, *signs, *own)
    for name, key, cert in (("server", "server-key.pem", "server.pem"), ("client", "key.pem", "cert.pem")):
        openssl(folder, "req", *new, "-subj", f"/CN={name}", "-keyout", key, "-out", "request.pem")
        told = "subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n"
        (folder / "more").write_text(f"{told}subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n")
        signed = ("-CA", "ca.pem", "-CAkey", "ca-key.pem", "-CAcreateserial", "-days", "2", "-extfile", "more")
        openssl(folder, "x509", "-req", "-in", "request.pem", *signed, "-out", cert)


def free_port():
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


class Ssh:
    """The way there over SSH: a server with keys of its own, and a client's settings that know it."""

    def __init__(self, folder):
        self.folder, self.port = folder, free_port()
        self.address = f"ssh://root@127.0.0.1:{self.port}"
        self.pid_file = folder / "pid"
        (folder / "bin").mkdir(parents=True)
        for name in ("host", "client"):
            words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", folder / name]
            subprocess.run(words, check=True, timeout=60)
        (folder / "known").write_text(f"[127.0.0.1]:{self.port} {(folder / 'host.pub').read_text()}")
        (folder / "sshd_config").write_text(_SSHD.format(folder=folder, port=self.port))
        (folder / "config").write_text(_SSH.format(folder=folder))
        client = folder / "bin" / "ssh"
        client.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {folder}/config "$@"\n')
        client.chmod(0o755)

    @contextlib.contextmanager
    def is_known(self):
        """Have every ssh of this process know the way, as the settings in a home folder do."""
        before = os.environ["PATH"]
        os.environ["PATH"] = f"{self.folder / 'bin'}{os.pathsep}{before}"
        try:
            yield
        finally:
            os.environ["PATH"] = before


class Elsewhere:
    """The daemon, and what it runs."""

    def __init__(self, folder):
        make_certificates(folder / "certs")
        self.ssh = Ssh(folder / "ssh")
        port = free_port()
        self.address = f"tcp://127.0.0.1:{port}#certs={folder}/certs"
        self.folder, self.log = folder, (folder / "log").open("wb")
        script = _START.format(folder=folder, port=port)
        words = ["unshare", "--pid", "--mount", "--fork", "--kill-child", "--mount-proc", "sh", "-c", script]
        self.process = subprocess.Popen(words, stdout=self.log, stderr=self.log, start_new_session=True)
        until(self.answers, "the daemon elsewhere answers")
        self.client = connect(self.address)
        self.image = ensure_image(self.client)
        self.network = self.client.networks.create("chaoslab-elsewhere")

    def answers(self):
        assert self.process.poll() is None, (self.folder / "log").read_text()[-2000:]
        with contextlib.suppress(ChaoslabError):
            connect(self.address).close()
            return True
        return False

    def run(self, command, **options):
        """Start a container there."""
        options = {"network": self.network.name, "detach": True, **options}
        made = self.client.containers.run(options.pop("image", self.image), command, **options)
        made.reload()
        return made

    def count_from(self, pid):
        """Have the next process there take a number near this one."""
        into = ["nsenter", f"--target={self._daemon()}", "--pid", "--mount"]
        subprocess.run([*into, "sh", "-c", f"echo {pid} >/proc/sys/kernel/ns_last_pid"], check=True, timeout=60)

    def _daemon(self):
        return Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()[0]

    def names(self):
        return {container.name for container in self.client.containers.list(all=True)}

    def end(self):
        for container in self.client.containers.list(all=True):
            container.remove(force=True, v=True)
        self.network.remove()
        self.client.close()
        os.kill(int(self._daemon()), signal.SIGTERM)
        self.process.wait(60)
        self.log.close()


class Runner(FaultConformance):
    """The suite's own way to strike in another process."""

    def __init__(self, action, words):
        self.action, self.words = action, words

    def arguments(self, target):
        return self.words


@contextlib.contextmanager
def daemon_elsewhere():
    """Lend one, and end it."""
    with tempfile.TemporaryDirectory(prefix="cl-elsewhere-") as folder:
        made = Elsewhere(Path(folder))
        try:
            yield made
        finally:
            made.end()
