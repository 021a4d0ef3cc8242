"""Runs of `chaoslab backup`, here and as a process, and what must hold of a store afterwards."""

import json
import os
import subprocess
import sys

from chaoslab.backup.store import Store
from chaoslab.cli.main import main
from chaoslab.postgres.logical.manifest import sha256

DEADLINE_S = 120


def backup(capsys, *arguments):
    """Run it here; return the exit code and what it printed as JSON."""
    capsys.readouterr()
    code = main(["backup", *map(str, arguments), "--json"])
    out = capsys.readouterr().out
    return code, json.loads(out) if out else None


def start(*arguments, **variables):
    """Run it as a process of its own."""
    command = [sys.executable, "-m", "chaoslab", "backup", *map(str, arguments)]
    environment = {**os.environ, **variables}
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(command, env=environment, **pipes)


def finished(process):
    """Wait for its end; return the exit code and all that it said."""
    said, _ = process.communicate(timeout=DEADLINE_S)
    assert "Traceback" not in said, said
    return process.returncode, said


def whole_sets(root):
    """Return the stamps of a store, having made sure that every name without `.partial` keeps its promise."""
    listing = Store(root).listing()
    assert listing.unreadable == []
    for one in listing.sets:
        for file in one.files():
            path = root / one.stamp / file.path
            assert (path.stat().st_size, sha256(path)) == (file.bytes, file.sha256)
    return [one.stamp for one in listing.sets]


def age(root, stamp, day):
    """Let a set have been taken at another day; its files keep their names."""
    new = f"{day:%Y%m%d}T020000Z"
    text = (root / stamp / "set.json").read_text()
    (root / stamp / "set.json").write_text(text.replace(f'"stamp": "{stamp}"', f'"stamp": "{new}"'))
    (root / stamp).rename(root / new)
    return new
