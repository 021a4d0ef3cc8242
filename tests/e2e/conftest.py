"""A real lab for all tests of this lane, in folders of their own."""

import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

WISHES = {"CHAOSLAB_ALLOW", "CHAOSLAB_CATALOG", "CHAOSLAB_DEBUG", "CHAOSLAB_PRODUCTION", "NO_COLOR"}
"""What a person may have set who runs the tests, and what would change their outcome."""
SHORT = """\
title: The service stands still
description: It answers again once it may go on.
configuration:
  pid_file: "lab:service.pid_file"
  url: "lab:service.health"
  hold: 0.3s
  ttl: 20s
extensions:
  - name: chaoslab
    kind: experiment
    domain: process
    blast_radius: the lab's service
    targets:
      - {kind: process, address: "${pid_file}"}
    objectives: {recovery: 5s}
    probers: [{name: service, url: "${url}", rate_hz: 50}]
    guards:
      production: ["*prod*"]
controls:
  - {name: chaoslab, provider: {type: python, module: chaoslab.engine.control}}
steady-state-hypothesis:
  title: it answers
  probes:
    - name: it-answers
      type: probe
      tolerance: 200
      provider: {type: http, url: "${url}", timeout: 3}
method:
  - name: pause-it
    type: action
    provider:
      type: python
      module: chaoslab.process.actions
      func: pause
      arguments: {pid_file: "${pid_file}", ttl: "${ttl}"}
  - name: hold-on
    type: probe
    provider: {type: python, module: chaoslab.runtime.actions, func: wait, arguments: {duration: "${hold}"}}
  - name: go-on
    type: action
    provider: {type: python, module: chaoslab.runtime.actions, func: undo}
  - name: see-it-recover
    type: probe
    provider: {type: python, module: chaoslab.runtime.actions, func: wait, arguments: {duration: 1s}}
"""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who types chaoslab's commands in a folder of his own."""

    folder: Path
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """What the commands find in their environment."""
        plain = {name: value for name, value in os.environ.items() if name not in WISHES}
        return plain | {"XDG_STATE_HOME": str(self.folder / "state"), "COLUMNS": "100"} | self.variables

    def command(self, *arguments: object) -> list[str]:
        """Return a command line of chaoslab."""
        return [sys.executable, "-m", "chaoslab", *map(str, arguments)]

    def types(self, *arguments: object, timeout_s: float = 400, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run chaoslab to its end, off a terminal."""
        return subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment | variables,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_s,
            stdin=subprocess.DEVNULL,
        )

    def begins(self, *arguments: object) -> subprocess.Popen[str]:
        """Start chaoslab in a session of its own and leave it running."""
        return subprocess.Popen(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def runs(self) -> list[Path]:
        """Return the run folders, oldest first."""
        return sorted((self.folder / "reports").glob("*Z-*"))


@contextmanager
def host():
    """Somebody with a lab of his own, in a folder that PostgreSQL's user can reach too."""
    folder = Path(tempfile.mkdtemp(prefix="chaoslab-e2e-"))
    folder.chmod(0o755)
    person = Person(folder, {"CHAOSLAB_LAB_HOME": str(folder / "lab")})
    try:
        yield person
    finally:
        stopped = person.types("lab", "stop", "--remove")
        shutil.rmtree(folder)
    assert stopped.returncode == 0, stopped.stderr


@pytest.fixture(scope="session")
def owner():
    """Who has started a small lab that all may use."""
    with host() as person:
        started = person.types("lab", "start", "--databases", 2, "--size", "4MiB", "--json")
        assert started.returncode == 0, started.stderr
        yield person


@pytest.fixture(scope="session")
def lab(owner):
    """Where the lab is that all may use."""
    return owner.variables["CHAOSLAB_LAB_HOME"]


@pytest.fixture(scope="module")
def newcomer():
    """Somebody with a lab of his own that does not run yet."""
    with host() as person:
        yield person


@pytest.fixture
def person(tmp_path, lab):
    """Somebody with a lab, and an exercise of a few seconds."""
    (tmp_path / "short.yaml").write_text(SHORT)
    return Person(tmp_path, {"CHAOSLAB_LAB_HOME": lab})


@pytest.fixture
def lonely(tmp_path):
    """Somebody without a lab."""
    (tmp_path / "short.yaml").write_text(SHORT)
    return Person(tmp_path, {"CHAOSLAB_LAB_HOME": str(tmp_path / "no-lab")})
