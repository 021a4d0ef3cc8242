"""Faults that break the contract on purpose: whoever looks for leftovers must find theirs."""

import subprocess
from pathlib import Path

from chaoslab.runtime.fault import Fault, Pinned


def _make(data):
    Path(data["path"]).write_text("fault")


def _is_there(data):
    return Path(data["path"]).exists()


def _nothing(data):
    """Undo nothing, and tell nobody."""


def _start(data):
    process = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    Path(data["path"]).with_suffix(".pid").write_text(str(process.pid))


def _is_started(data):
    return Path(data["path"]).with_suffix(".pid").exists()


BROKEN = Fault(inject=_make, effective=_is_there, undo=_nothing)
FORGETFUL = Fault(inject=_start, effective=_is_started, undo=_nothing)


@BROKEN.action
def make(path: str) -> Pinned:
    """Make a file that nobody removes."""
    return Pinned(path, {"path": path}, 60.0)


@FORGETFUL.action
def start(path: str) -> Pinned:
    """Start a process that nobody ends."""
    return Pinned(path, {"path": path}, 60.0)
