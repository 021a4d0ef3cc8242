"""A lab of its own for this lane, and the experiments as a person runs them."""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent / "support"))

import pytest
from catalog_runs import COMMAND, usual_lab
from control_groups import LEAST_SHARE, ONE_GIB, control_group
from services import service, status_at, until

import chaoslab.lab
from chaoslab.lab.redis_server import is_installed

ATTEMPTS = 5
NICEST = 19
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def lab(binaries, passable_root):
    """A small lab, the usual one while the tests run."""
    with usual_lab(passable_root / "twins", databases=2) as made:
        yield made


@pytest.fixture
def starved(lab):
    """Start a twin that gets what others leave of the processor, as a pod does that asks for none."""
    least = control_group(LEAST_SHARE, until)
    with least as group, service(lab, group.join if group else be_nice, "--fragile") as url:
        yield url


@pytest.fixture
def small_machine():
    """Lend a group with one GiB of memory; where nobody may make one, the machine."""
    with control_group(ONE_GIB, until) as group:
        yield group


def be_nice(pid):
    """Have a process give way to others, where nobody may make a control group."""
    os.setpriority(os.PRIO_PROCESS, pid, NICEST)
    with contextlib.suppress(OSError):  # where the kernel weighs sessions against each other, that is not enough
        Path(f"/proc/{pid}/autogroup").write_text(str(NICEST))


@pytest.fixture
def well(lab):
    """Both services as they should be, before a test and after it."""

    def wait():
        if status_at(lab["twin"]["metrics"]) is None:
            chaoslab.lab.start(databases=2, size_mb=2)  # nobody else starts a twin again
        pages = [lab[name]["health"] for name in ("service", "twin")]
        until(lambda: [status_at(page) for page in pages] == [200, 200])

    wait()
    yield
    wait()


@pytest.fixture
def run(lab, well, tmp_path, monkeypatch):
    """Run an experiment of the catalog by its name; return its exit code, its report, and what was said."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))

    def one(name, *, retry_baseline=True, prefix=(), **variables):
        if "redis" in name and not is_installed():
            pytest.skip("redis-server is not installed")
        [file] = ROOT.glob(f"experiments/*/{name}.yaml")
        words = [word for key, value in variables.items() for word in ("--var", f"{key}={value}")]
        command = [*prefix, *COMMAND, "run", "--json", "--reports", tmp_path / "reports", *words, file]
        for _ in range(ATTEMPTS):
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240, cwd=tmp_path)
            report = json.loads(done.stdout or "{}")
            # The twin is slow by its nature, and on a machine that has no time not even well without a fault; and a
            # prober that stood still itself cannot say who was slow.
            well_before = report.get("hypothesis", {}).get("before") is not False
            in_doubt = ("prober-stalled", "unknown") in {(f["code"], f["severity"]) for f in report.get("findings", ())}
            if retry_baseline is False or (well_before and not (done.returncode == 11 and in_doubt)):
                break
        return done.returncode, report, done.stderr

    return one
