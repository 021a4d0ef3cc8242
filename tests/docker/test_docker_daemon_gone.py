"""The daemon is gone before the undo: that is told as residue, and cleared when it is back."""

import json
import os
import signal
import subprocess
import sys

import pytest
from conformance import events_of
from containers import Ticker
from daemons import own_daemon
from one_strike import experiment
from waiting import until

from chaoslab.docker.actions import pause
from chaoslab.runtime.fault import reference_of

CODE = "import sys; from chaoslab.cli.main import main; sys.exit(main())"


@pytest.fixture
def second():
    """A daemon that may die."""
    with own_daemon() as made:
        yield made


def chaoslab(tmp_path, *words):
    environment = os.environ | {"XDG_STATE_HOME": str(tmp_path / "home"), "NO_COLOR": "1"}
    command = [sys.executable, "-c", CODE, *words]
    return subprocess.Popen(
        command, env=environment, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def test_residue_is_told_and_undone_when_the_daemon_is_back(second, tmp_path):
    target = Ticker(second.run, tmp_path / "out")
    file = tmp_path / "gone.json"
    arguments = {"container": target.name, "docker": second.address}
    file.write_text(json.dumps(experiment(reference_of(pause), arguments)))
    run = chaoslab(tmp_path, "run", "--reports", str(tmp_path / "reports"), str(file))
    until(lambda: "fault-effective" in events_of(tmp_path / "reports") or run.poll() is not None, "it is on")
    assert target.is_silent()
    second.kill()
    run.send_signal(signal.SIGINT)
    said, _ = run.communicate(timeout=120)
    assert run.returncode == 13, said
    assert "no Docker daemon answers at" in said
    assert "Traceback" not in said
    undo = chaoslab(tmp_path, "undo")
    said, _ = undo.communicate(timeout=120)
    assert undo.returncode == 13, said
    assert target.is_silent(), "containers outlive this daemon, and the fault with them"
    second.start()
    undo = chaoslab(tmp_path, "undo")
    said, _ = undo.communicate(timeout=120)
    assert undo.returncode == 0, said
    assert not target.is_silent()
    assert list((tmp_path / "home" / "chaoslab" / "ledger").iterdir()) == []
