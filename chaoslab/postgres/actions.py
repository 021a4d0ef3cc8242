"""The steps of a restore drill. Each calls the library and tells the session what came of it."""

from __future__ import annotations

from pathlib import Path

from chaoslab.postgres.drill.preparing import declare_disaster, take_or_open_backup
from chaoslab.postgres.drill.proving import check_indexes, check_recovery_point, smoke, verify
from chaoslab.postgres.drill.recovering import fetch, provision, restore
from chaoslab.postgres.servers import scratch as scratches
from chaoslab.runtime.arguments import time_to_live
from chaoslab.runtime.fault import Data, Fault, Pinned
from chaoslab.runtime.session import current, has_session
from chaoslab.runtime.steps import step

__all__ = [
    "SCRATCH",
    "check_indexes",
    "check_recovery_point",
    "declare_disaster",
    "fetch",
    "provision",
    "restore",
    "scratch",
    "smoke",
    "take_or_open_backup",
    "verify",
]


def _make_scratch(data: Data) -> dict[str, str]:
    scratches.make(Path(data["folder"]), data["token"])
    return {"folder": data["folder"]}


def _remove_scratch(data: Data) -> None:
    scratches.remove(Path(data["folder"]), data["token"])


SCRATCH = Fault(inject=_make_scratch, undo=_remove_scratch, role="scratch", undo_deadline_s=120.0)


@step("baseline")
@SCRATCH.action
def scratch(folder: str = "", ttl: str = "12h") -> Pinned:
    """Make a scratch folder for the dump, its copy and the server that it is restored into.

    Args:
        folder: where to make it; '' means the system's folder for temporary files
        ttl: how long the drill may take at most

    Raises:
        ScratchFailed: the folder cannot be made.

    Blast radius: one new folder on this machine, and later a server in it that listens on loopback only.
    Undo: stops the server and everything that works in the folder, and removes the folder.
    Effective when: the folder is there; a scratch thing harms nobody.
    """
    base = Path(folder).absolute() if folder else scratches.default_base()
    run = current().run_id if has_session() else "plan"
    return Pinned(
        target=f"scratch folder in {base}",
        data={"folder": str(base / f"chaoslab-{run}"), "token": run},
        ttl_s=time_to_live(ttl),
    )
