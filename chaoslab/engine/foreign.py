"""Rollbacks of a file go into the undo ledger before its method begins, so that they are played whatever happens.

The engine plays them first, in its own way and with the file's controls. What it leaves out (it was killed, a
signal came twice, a rollback raised) stays open in the ledger and is played from there: by the closing session,
by the reaper, or by `chaoslab undo`.
"""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chaoslib.caching import lookup_activity

from chaoslab.core.errors import ChaoslabError
from chaoslab.engine.outcomes import Activity
from chaoslab.runtime.fault import Data, Fault, Pinned, pin_of, reference_of
from chaoslab.runtime.ledger import Entry
from chaoslab.runtime.session import Session

_DEADLINE_S = 300.0
_NEVER_S = 365 * 24 * 3600.0
"""A rollback has no time-to-live: played while its fault is meant to be on, it would spoil the exercise."""


def _nothing(data: Data) -> None:
    """Inject nothing: what a rollback undoes was done by a step of the file."""


def _play(data: Data) -> None:
    """Play one rollback in a process of its own, in the folder and with the import path of its run.

    Raises:
        ChaoslabError: it did not succeed.
    """
    played = subprocess.run(
        [sys.executable, "-m", "chaoslab.engine.playing"],
        input=json.dumps(dict(data)),
        cwd=data["folder"] if Path(data["folder"]).is_dir() else "/",
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,
    )
    if played.returncode != 0:
        last = played.stderr.strip().rpartition("\n")[2]
        raise ChaoslabError(last or f"the rollback ended with exit code {played.returncode}")


ROLLBACK = Fault(inject=_nothing, undo=_play, role="rollback", undo_deadline_s=_DEADLINE_S)


@ROLLBACK.action
def rollback(activity: Activity, surroundings: Mapping[str, Any]) -> Pinned:
    """Hold one rollback of a file as something to undo.

    Blast radius: what the rollback itself touches. Undo: playing it. Effective when: never asked.
    """
    # A file that `chaos run` has read may hold dates, which JSON cannot.
    data = {"activity": json.loads(json.dumps(dict(activity), default=str)), **surroundings}
    return Pinned(target=_target_of(activity), data=data, ttl_s=_NEVER_S)


@dataclass(slots=True)
class Rollbacks:
    """The rollbacks of the file that is being run."""

    session: Session
    _entries: list[tuple[Activity, Entry]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    """Rollbacks in the background end in threads of their own."""

    def intend(self, activities: Sequence[Activity], surroundings: Mapping[str, Any]) -> None:
        """Write all of them down, the last one first: what is open is undone newest first, so they keep their order."""
        for declared in reversed(activities):
            activity = (lookup_activity(declared["ref"]) or declared) if "ref" in declared else declared
            name = str(activity.get("name") or declared.get("ref"))
            pinned = pin_of(rollback)(activity, surroundings)
            entry = self.session.intend(name=name, pinned=pinned, role="rollback", undo=reference_of(rollback))
            self._entries.append((activity, entry))

    def withdraw(self) -> None:
        """Take back what was written down: the method will not begin, so there is nothing to roll back."""
        for _, entry in self._entries:
            self.session.undone(entry)
        self._entries = []

    def played(self, activity: Activity) -> None:
        """Note that the engine has played one with success."""
        with self._lock:
            mine = next((pair for pair in self._entries if pair[0] is activity), None)
            if mine is not None:
                self._entries = [pair for pair in self._entries if pair is not mine]
        if mine is not None:
            self.session.undone(mine[1])


def surroundings_of(
    configuration: Mapping[str, Any], *, secrets: Mapping[str, Any], secret_files: Sequence[Path] = ()
) -> dict[str, Any]:
    """Return what a rollback needs besides itself: configuration, the *declaration* of secrets, folder, import path.

    The values of secrets are not written down; they come from the environment or from their files again.
    """
    plain = {name: value for name, value in configuration.items() if _is_json(value)}
    return {
        "configuration": plain,
        "secrets": dict(secrets),
        "secret_files": [str(file.absolute()) for file in secret_files],
        "folder": str(Path.cwd()),
        "path": [str(Path(entry).absolute()) if entry else str(Path.cwd()) for entry in sys.path],
        "environment": {"PATH": os.environ.get("PATH", os.defpath)},
    }


def _target_of(activity: Activity) -> str:
    provider = activity.get("provider", {})
    match provider.get("type"):
        case "python":
            return f"{provider.get('module')}.{provider.get('func')}"
        case "process":
            return f"process {provider.get('path')}"
        case _:
            return f"{provider.get('type')} {provider.get('url', '')}".strip()


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return True
