"""A systemd unit names its main process; a real systemd says so, one of this user in a mount namespace of its own."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SYSTEMD = Path("/lib/systemd/systemd")
SCRIPT = """
set -e
mount -t tmpfs none /run
mkdir -p /run/systemd/system /run/user/0
export XDG_RUNTIME_DIR=/run/user/0
timeout 120 {systemd} --user --log-level=err --log-target=null &
trap 'kill %1' EXIT
for _ in $(seq 600); do
    systemctl --user is-active basic.target >/dev/null 2>&1 && break
    sleep 0.1
done
systemd-run --quiet --user --unit=chaoslab-test --property=Restart=always --property=RestartSec=200ms sleep 300
{python} -c "$CODE"
systemctl --user stop chaoslab-test
"""
CODE = """
import json
from pathlib import Path
from chaoslab.core.errors import Refused
from chaoslab.process.supervised import restart
from chaoslab.process.units import main_process
from chaoslab.runtime.session import Session

folder = Path.cwd()
unit = "user:chaoslab-test.service"
before = main_process(unit)
session = Session("units", folder / "run", state=folder / "state")
session.start({"id": "units"})
told = restart(unit=unit, within="60s")
session.close("completed")
try:
    main_process("user:nothing.service")
except Refused as refused:
    absent = refused.reason
try:
    main_process("user:basic.target")
except Refused as refused:
    idle = refused.reason
print(json.dumps({"before": before.pid, "told": told, "after": main_process(unit).pid, "absent": absent, "idle": idle}))
"""


def why_not():
    if os.geteuid() != 0:
        return "only root can mount"
    absent = [name for name in ("systemctl", "systemd-run", "unshare") if shutil.which(name) is None]
    return f"no {', '.join(absent)}" if absent else "" if SYSTEMD.exists() else "no systemd"


@pytest.mark.skipif(bool(why_not()), reason=why_not())
def test_a_unit_is_restarted_by_systemd_and_the_time_is_measured(tmp_path):
    script = SCRIPT.format(systemd=SYSTEMD, python=sys.executable)
    done = subprocess.run(
        ["unshare", "--mount", "bash", "-c", script],
        env=os.environ | {"CODE": CODE},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["told"]["pids"] == [told["before"]]
    assert told["told"]["restarted"] == [told["after"]]
    low, high = told["told"]["restart_s"]
    assert 0 <= low < high
    assert high >= 0.1, "it waits 0.2 s"
    assert told["absent"] == "systemd knows no unit nothing.service: its load state is not-found"
    assert told["idle"] == "the unit basic.target has no main process: it is active"
