"""What keeps a proxy from serving is told in one line, and nobody else's orders are taken away."""

import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "support"))
from proxy_peers import Running


@pytest.fixture
def proxy(tmp_path):
    running = Running(tmp_path, "127.0.0.1:1")
    yield running
    running.stop()


@pytest.mark.parametrize("module", ["network", "http"])
def test_a_second_proxy_leaves_the_orders_of_the_first_alone(proxy, tmp_path, module):
    """Else nobody could take away what stands at the first."""
    start = [sys.executable, "-m", f"chaoslab.{module}.proxy", "--upstream", "127.0.0.1:1"]

    def refused(*arguments):
        done = subprocess.run([*start, *arguments], stderr=subprocess.PIPE, text=True, timeout=60.0, check=False)
        assert done.returncode == 2
        return done.stderr

    control = str(proxy.client.control)
    assert refused("--control", control) == f"proxy: cannot listen at {control}: another proxy takes orders here\n"
    assert proxy.client.state()["toxics"] == {}
    assert refused("--control", str(tmp_path / "no" / "p")).count("\n") == 1
    taken = "{}:{}".format(*proxy.address)
    told = refused("--control", str(tmp_path / "p"), "--listen", taken)
    assert told == f"proxy: cannot listen on {taken}: Address already in use\n"
