"""Where there is no nft, iptables-legacy does it: the real program, on a machine from which nft is hidden."""

import json
import os
import shutil
import signal
import subprocess

import pytest
from cli_runs import COMMAND, environment, file_of
from talking import Talking, until

from chaoslab.network.firewall import block_port, partition
from chaoslab.runtime.residue import open_runs

needs_legacy = pytest.mark.skipif(not shutil.which("iptables-legacy-restore"), reason="no iptables-legacy")
pytestmark = needs_legacy
HIDE = 'for file in {files}; do mount --bind /dev/null "$file"; done; exec "$@"'
SOMEBODY = """*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:SOMEBODY - [0:0]
-A OUTPUT -j SOMEBODY
-A SOMEBODY -p tcp -m tcp --dport 5432 -j ACCEPT
COMMIT
"""


@pytest.fixture(scope="module")
def talking():
    made = Talking()
    try:
        for program in ("iptables-legacy-restore", "ip6tables-legacy-restore"):
            made.client.run(program, stdin=SOMEBODY)
        yield made
    finally:
        made.stop()


def without(programs, words):
    """Return a command that runs where some programs are not."""
    files = " ".join(shutil.which(name) for name in programs)
    return ["unshare", "--mount", "sh", "-c", HIDE.format(files=files), "sh", *words]


def start(folder, verb, file, *more, hidden=("nft",)):
    words = [*COMMAND, verb, *(["--reports", folder / "reports", "--json"] if verb == "run" else []), file, *more]
    return subprocess.Popen(
        without(hidden, words),
        env=environment(folder),
        cwd=folder,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def saved(talking):
    return "".join(
        line.partition("[")[0] + "\n"
        for program in ("iptables-legacy-save", "ip6tables-legacy-save")
        for line in talking.client.run(program).splitlines()
        if not line.startswith("#")
    )


def events(folder):
    return "".join(file.read_text() for file in (folder / "reports").glob("*/events.jsonl"))


@pytest.mark.parametrize(
    ("action", "arguments", "met"),
    [
        (block_port, {"port": 5432}, "silence"),
        (block_port, {"port": "5000-6000", "how": "reject", "protocol": "both"}, "ConnectionRefusedError"),
        (partition, {"left": "here", "right": "10.203.1.2, fd00:203:1::2"}, "silence"),
    ],
    ids=["drop", "reject", "partition"],
)
def test_it_bites_narrowly_and_what_somebody_has_comes_back(talking, tmp_path, action, arguments, met):
    before = saved(talking)
    run = start(tmp_path, "run", file_of(tmp_path, action, seconds="60", netns=talking.client.name, **arguments))
    until(lambda: "fault-effective" in events(tmp_path) or run.poll() is not None, "it bites")
    assert run.poll() is None, run.communicate()
    assert talking.echo(patience_s=0.5 if met == "silence" else 20.0) == met
    if action is not partition:
        assert talking.echo(6379, patience_s=20.0) == "echo"
    run.terminate()
    out, err = run.communicate(timeout=60)
    assert run.returncode == 143, err
    assert "by iptables" in json.loads(out)["faults"][0]["target"]
    assert saved(talking) == before
    assert talking.echo(patience_s=20.0) == "echo"


def test_a_runner_that_was_killed_leaves_nothing(talking, tmp_path):
    before = saved(talking)
    run = start(tmp_path, "run", file_of(tmp_path, block_port, seconds="60", port=5432, netns=talking.client.name))
    until(lambda: "CHAOSLAB-" in saved(talking), "the fault is on")
    os.kill(run.pid, signal.SIGKILL)
    run.communicate()
    until(lambda: saved(talking) == before, "the reaper has undone it")
    until(lambda: not open_runs(tmp_path / "home" / "chaoslab"), "nothing is left to undo")


def test_without_either_the_plan_says_what_is_missing(talking, tmp_path):
    file = file_of(tmp_path, block_port, port=5432, netns=talking.client.name)
    plan = start(tmp_path, "plan", file, hidden=("nft", "iptables-legacy-restore"))
    out, err = plan.communicate(timeout=60)
    assert plan.returncode == 12, err
    assert "the program nft is missing; install it (Debian: apt-get install nftables)" in out + err
