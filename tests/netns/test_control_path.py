"""What holds the run itself is never cut: its SSH session, the APIs it steers by, nearly all of loopback."""

import os
import subprocess
import sys

import pytest

from chaoslab.core.errors import Refused
from chaoslab.network.control_path import lifelines
from chaoslab.network.firewall import block_port, partition
from chaoslab.runtime.fault import pin_of


@pytest.fixture(autouse=True)
def _held_by(monkeypatch, tmp_path):
    """As if somebody had logged in over SSH, with a cluster and a Docker daemon to steer."""
    config = tmp_path / "config"
    config.write_text("clusters:\n- cluster: {}\n  name: a\n- cluster:\n    server: https://10.9.0.7:6443\n")
    monkeypatch.setenv("KUBECONFIG", str(config))
    monkeypatch.setenv("DOCKER_HOST", "tcp://docker.internal:2376")
    monkeypatch.setenv("SSH_CONNECTION", "192.0.2.44 51234 192.0.2.1 22")


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        ({"port": 22, "direction": "in"}, "your SSH session"),
        ({"port": "1-30", "direction": "both", "peers": "192.0.2.0/24"}, "your SSH session"),
        ({"port": 51234, "direction": "out"}, "your SSH session"),
        ({"port": 6443, "direction": "out"}, "the Kubernetes API at 10.9.0.7:6443"),
        ({"port": 2376, "peers": "10.0.0.0/8"}, "the Docker daemon at docker.internal:2376"),
        ({"port": "1-20,3000-5000", "direction": "out"}, "nearly all that this machine says to itself"),
    ],
)
def test_a_block_on_this_host_that_would_cut_it_is_refused(arguments, what):
    with pytest.raises(Refused, match=what):
        pin_of(block_port)(**arguments)


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        ({"left": "here", "right": "192.0.2.0/24"}, "your SSH session"),
        ({"left": "192.0.2.44", "right": "192.0.2.1", "one_way": True}, "your SSH session"),
        ({"left": "here", "right": "10.9.0.7"}, "the Kubernetes API"),
        ({"left": "10.9.0.7", "right": "here", "ports": "6443"}, "the Kubernetes API"),
        ({"left": "here", "right": "127.0.0.0/8"}, "all of loopback"),
    ],
)
def test_a_partition_on_this_host_that_would_cut_it_is_refused(arguments, what, monkeypatch):
    monkeypatch.delenv("DOCKER_HOST")
    with pytest.raises(Refused, match=what):
        pin_of(partition)(**arguments)


@pytest.mark.parametrize(
    ("action", "arguments"),
    [
        (block_port, {"port": 22, "direction": "out"}),
        (block_port, {"port": 22, "direction": "in", "peers": "198.51.100.0/24"}),
        (block_port, {"port": 5432, "direction": "both"}),
        (block_port, {"port": "3000-5000", "peers": "198.51.100.0/24"}),
        (partition, {"left": "here", "right": "198.51.100.7"}),
        (partition, {"left": "here", "right": "127.0.0.1", "ports": "5432"}),
        (partition, {"left": "127.0.0.2", "right": "127.0.0.3"}),
    ],
)
def test_what_is_narrow_enough_is_not(action, arguments, monkeypatch):
    monkeypatch.delenv("DOCKER_HOST")
    assert pin_of(action)(**arguments).target


def test_a_session_that_sudo_hides_is_seen_in_those_that_started_us():
    code = "from chaoslab.network.control_path import lifelines; print([line.peer for line in lifelines()])"
    environment = {name: value for name, value in os.environ.items() if name != "SSH_CONNECTION"}
    outer = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {code!r}], env={{'HOME': '/nowhere'}})"
    command = [sys.executable, "-c", outer]
    held = environment | {"SSH_CONNECTION": "203.0.113.9 50000 203.0.113.1 22"}
    said = subprocess.run(command, env=held, check=True, capture_output=True, text=True, timeout=60).stdout
    assert "203.0.113.9" in said


def test_nothing_is_refused_where_nothing_holds_us(monkeypatch, tmp_path):
    for name in ("SSH_CONNECTION", "DOCKER_HOST", "KUBECONFIG"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert [line for line in lifelines() if "SSH" not in line.what] == []
