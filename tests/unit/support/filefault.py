"""The smallest real fault: a file that should not be there."""

from pathlib import Path

from chaoslab.runtime.fault import Data, Fault, Pinned


def _inject(data: Data) -> str:
    Path(data["path"]).write_text("fault")
    if data["how"] == "half":
        raise RuntimeError("the disk went away in the middle")
    return "made"


def _is_effective(data: Data) -> bool:
    return data["how"] != "toothless" and Path(data["path"]).exists()


def _undo(data: Data) -> None:
    if data["how"] == "stuck":
        raise PermissionError("not allowed to remove it")
    if data["how"] == "until-repaired" and not Path(data["path"] + ".repaired").exists():
        raise ConnectionRefusedError("the target is down")
    Path(data["path"]).unlink(missing_ok=True)


MADE = Fault(inject=_inject, effective=_is_effective, undo=_undo, effective_within_s=0.2)
GONE = Fault(inject=_inject, effective=_is_effective, undo=_undo, momentary=True)
HEAVY = Fault(inject=_inject, effective=_is_effective, undo=_undo, loads=("_sqlite3", "no_such_module"))
SCRATCH = Fault(inject=_inject, undo=_undo, role="scratch")


@MADE.action
def make(path: str, how: str = "well", ttl_s: float = 60.0) -> Pinned:
    return Pinned(path, {"path": path, "how": how}, ttl_s)


@GONE.action
def flash(path: str) -> Pinned:
    return Pinned(path, {"path": path, "how": "well"}, 60.0)


@SCRATCH.action
def scratch(path: str) -> Pinned:
    return Pinned(path, {"path": path, "how": "well"}, 60.0)


@HEAVY.action
def heavy(path: str) -> Pinned:
    return Pinned(path, {"path": path, "how": "well"}, 60.0)
