"""An entry of the undo ledger, and how the lines of a ledger are read: today's, older ones, and damaged ones.

Nothing that is read is guessed at, and nothing is passed over in silence: a line that cannot be read may have been an
intent, so it is told to people as something that may be left.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import inf, isinf
from typing import Any, Literal, cast

from chaoslab.core.errors import one_line
from chaoslab.runtime.identity import ProcessIdentity

VERSION = 1
TORN = "\x18"
"""Ends what remains of a line whose writer died in the midst of it: it was never acted on, so it is not missed."""
Role = Literal["fault", "scratch", "rollback"]
By = Literal["run", "reaper", "undo"]
_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing to undo."""

    number: int
    name: str
    """The fault, such as `process.pause`."""
    target: str
    role: Role
    undo: str
    """`package.module:function`, whose function carries the fault."""
    data: Mapping[str, Any]
    expires_mono_s: float
    """When its time-to-live is over, on this boot's monotonic clock."""
    expires_boot_s: float = inf
    """The same on the clock that goes on while the machine sleeps; whichever comes first ends it."""
    claims: tuple[str, ...] = ()
    """The files that say whose its places are."""
    token: str = ""
    """What these files know it by: no other fault anywhere has the same."""
    state: Literal["intended", "injected", "undone"] = "intended"
    error: str = ""
    """Why the last attempt to undo it failed."""

    def intent(self) -> dict[str, Any]:
        """Return the line of the ledger that makes this entry."""
        line = {
            "kind": "intended",
            "number": self.number,
            "name": self.name,
            "target": self.target,
            "role": self.role,
            "undo": self.undo,
            "data": dict(self.data),
            "expires_mono_s": self.expires_mono_s,
        }
        line |= {"claims": list(self.claims), "token": self.token} if self.claims else {}
        return line if isinf(self.expires_boot_s) else line | {"expires_boot_s": self.expires_boot_s}


@dataclass(slots=True)
class Reading:
    """What the lines of one ledger say, taken one after another."""

    header: dict[str, Any] = field(default_factory=dict)
    entries: dict[int, Entry] = field(default_factory=dict)
    illegible: dict[int, str] = field(default_factory=dict)
    """Why a line cannot be read, by its number, counted from 1."""
    _lines: int = 0
    _strange: bool = False
    """Written by a later version: its lines may mean something else."""

    def take(self, text: str) -> None:
        """Read the next line."""
        self._lines += 1
        if not text.strip() or text.endswith(TORN):
            return
        try:
            line = json.loads(text)
            if not isinstance(line, dict):
                raise TypeError("it is no JSON object")
            self._understand(line)
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            self.illegible[self._lines] = _why(error, text)

    def runner(self) -> ProcessIdentity | None:
        """Return which process runs, or ran, the exercise, where the header says so."""
        try:
            told = self.header["runner"]
            return ProcessIdentity(int(told["pid"]), int(told["started"]), str(told["boot"]))
        except (KeyError, TypeError, ValueError):
            return None

    def _understand(self, line: Mapping[str, Any]) -> None:
        match line["kind"]:
            case "opened":
                self._open(line)
            case _ if self._strange:
                return
            case "intended":
                entry = _entry_of(line)
                self.entries[entry.number] = entry
            case "injected":
                self._change(line, state="injected")
            case "undone":
                self._change(line, state="undone", error="")
            case "undo-failed":
                self._change(line, error=str(line.get("error", "")))
            case kind:
                raise ValueError(f"no kind of line is called {kind!r}")

    def _open(self, line: Mapping[str, Any]) -> None:
        self.header = dict(line)  # also a later version tells who runs
        if int(line["version"]) > VERSION:
            self._strange = True
            found = f"it was written by version {line['version']} of the ledger, and this chaoslab reads {VERSION}"
            raise ValueError(f"{found}; undo it with the chaoslab that wrote it")

    def _change(self, line: Mapping[str, Any], **fields: Any) -> None:
        """Change an entry; of one whose intent cannot be read, that very line is told."""
        if (entry := self.entries.get(int(line["number"]))) is not None:
            self.entries[entry.number] = replace(entry, **fields)


def _entry_of(line: Mapping[str, Any]) -> Entry:
    """Return the entry that a line intends; what an older version did not write has a default, what is unknown is left.

    Raises:
        KeyError, TypeError, ValueError: it lacks what an undo needs.
    """
    if not isinstance(line["data"], dict) or not isinstance(line["undo"], str):
        raise TypeError("an intent needs its undo, and data for it")
    return Entry(
        number=int(line["number"]),
        name=str(line.get("name") or line["undo"]),
        target=str(line.get("target", "")),
        role=cast("Role", line.get("role", "fault")),
        undo=line["undo"],
        data=line["data"],
        expires_mono_s=float(line.get("expires_mono_s", 0.0)),
        expires_boot_s=float(line.get("expires_boot_s", inf)),
        claims=tuple(map(str, line.get("claims", ()))),
        token=str(line.get("token", "")),
    )


def _why(error: Exception, text: str) -> str:
    match error:
        case json.JSONDecodeError() | RecursionError():
            told = "it is no JSON"
        case KeyError():
            told = f"it has no {error}"
        case _:
            told = str(error)
    return one_line(f"{told}: {text[:_SHOWN]}")
