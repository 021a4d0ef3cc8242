"""The journal of Chaos Toolkit: written for every run, also for one that was cut off, and without secrets."""

import json
from collections.abc import Mapping, MutableMapping
from datetime import date
from enum import Enum
from pathlib import Path
from typing import Any

from chaoslab.core.errors import ExitCode
from chaoslab.core.verdict import Verdict
from chaoslab.runtime.session import Session

NAME = "journal.json"


def plain_journal(journal: Mapping[str, Any], session: Session) -> dict[str, Any]:
    """Return the journal as JSON data with every secret masked.

    One that was cut off ends now. What the journal names but JSON cannot hold (an enum, bytes, an object) becomes
    text first, so that it is masked too.
    """
    whole = {"end": session.clock.wall().isoformat(), **journal}
    plain = json.loads(json.dumps(whole, default=_text, skipkeys=True))
    redacted: dict[str, Any] = session.secrets.redact_json(plain)
    return redacted


def write_journal(journal: Mapping[str, Any], session: Session) -> Path:
    """Write the journal into the run's folder.

    Raises:
        OSError: the folder cannot be written.
    """
    path = session.folder / NAME
    text = json.dumps(plain_journal(journal, session), indent=2, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")
    return path


def settle_status(journal: MutableMapping[str, Any], verdict: Verdict) -> None:
    """Let the journal say what came out: `completed` means passed, and nothing else does."""
    if verdict.outcome == "interrupted":
        journal["status"] = "interrupted"
    elif verdict.exit_code != ExitCode.PASSED and journal.get("status") != "aborted":
        journal["status"] = "failed"


def _text(value: Any) -> Any:
    match value:
        case Enum():
            return value.value
        case date():
            return value.isoformat()
        case bytes():
            return value.decode("utf-8", "replace")
        case set() | frozenset():
            return sorted(map(str, value))
        case _:
            return str(value)
