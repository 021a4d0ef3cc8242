"""Guards: what must hold before anything is touched. All reasons are told at once, and a broken guard refuses."""

import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from chaoslab.core.errors import Refused
from chaoslab.core.units import format_size
from chaoslab.engine.needs import missing
from chaoslab.runtime.places import temporary_folder
from chaoslab.runtime.residue import open_runs
from chaoslab.runtime.session import Session

ALLOW_VARIABLE = "CHAOSLAB_ALLOW"
PRODUCTION_VARIABLE = "CHAOSLAB_PRODUCTION"
_ROOM_BYTES = 16 << 20
"""What a run's own folder and the state folder need, even when the exercise asks for nothing."""


@dataclass(frozen=True, slots=True)
class Gate:
    """Everything that the guards look at."""

    targets: tuple[str, ...]
    """What will be acted on, as `target_text` writes it; empty for a foreign file, which does not say."""
    locks: tuple[str, ...]
    """What no other run may hold."""
    reports: Path
    needs: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()
    production: tuple[str, ...] = ()
    confirmed: frozenset[str] = field(default_factory=frozenset)
    """The names of production targets that somebody typed."""
    free_disk: int = 0
    """Bytes needed for scratch things."""
    scratch: Path = field(default_factory=temporary_folder)
    """Where those are made."""


Guard = Callable[[Gate, Session], Iterator[str]]


def check(gate: Gate, session: Session) -> list[Refused]:
    """Ask every guard and return all refusals; the locks that could be had are held by the session."""
    return [Refused(name, reason) for name, guard in GUARDS.items() for reason in _reasons(guard, gate, session)]


def describe_guards(gate: Gate) -> list[str]:
    """Say in one line each what will be checked before anything is touched."""
    lines = [f"allow: {', '.join(patterns)}" for patterns in _allow_lists(gate)]
    if gate.production or _patterns(PRODUCTION_VARIABLE):
        lines.append(f"production: {', '.join((*gate.production, *_patterns(PRODUCTION_VARIABLE)))} only by name")
    lines.append(f"free-disk: {format_size(max(gate.free_disk, _ROOM_BYTES))}")
    lines += [f"needs: {need}" for need in gate.needs]
    held = "on the same target" if gate.targets else "of the same file"
    return [*lines, f"lock: no other run {held}", "residue: nothing left behind by an earlier run"]


def unconfirmed(gate: Gate) -> list[str]:
    """Return the production targets whose name nobody has typed."""
    patterns = (*gate.production, *_patterns(PRODUCTION_VARIABLE))
    return [
        target
        for target in gate.targets
        if _fits(target, patterns) and not {target, target.partition(" ")[2]} & gate.confirmed
    ]


def target_text(kind: str, address: str) -> str:
    """Return how a target is called: without user, password and options, so that it can be shown and typed."""
    return f"{kind} {_short(address)}"


def _short(address: str) -> str:
    if match := re.fullmatch(r"[\w+.-]+://(?:[^/@]*@)?(?P<rest>[^?#]*).*", address, re.DOTALL):
        return match["rest"].rstrip("/")
    pairs = dict(re.findall(r"(\w+)\s*=\s*('[^']*'|\S+)", address))
    if {"host", "dbname", "service", "port"} & set(pairs):
        place = pairs.get("host") or pairs.get("service") or "localhost"
        port = f":{pairs['port']}" if "port" in pairs else ""
        return f"{place}{port}/{pairs.get('dbname', '')}".rstrip("/")
    return address


def _reasons(guard: Guard, gate: Gate, session: Session) -> list[str]:
    try:
        return list(guard(gate, session))
    except Refused as refused:
        return [refused.reason]
    except OSError as error:
        return [f"{error.filename or session.state}: {error.strerror or error}"]
    except Exception as error:
        return [f"the guard itself broke: {type(error).__name__}: {error}"]


def _allowed(gate: Gate, session: Session) -> Iterator[str]:
    """Let a target pass that fits the machine's list and the file's."""
    for patterns in _allow_lists(gate):
        if not gate.targets:
            yield f"the file does not say what it acts on, and only {', '.join(patterns)} may be touched"
        for target in gate.targets:
            if not _fits(target, patterns):
                yield f"{target} fits none of {', '.join(patterns)}"


def _confirmed(gate: Gate, session: Session) -> Iterator[str]:
    """Let a production target pass whose name was typed."""
    for target in unconfirmed(gate):
        yield f"{target} is production; type its name, or give --yes '{target.partition(' ')[2]}'"


def _free_disk(gate: Gate, session: Session) -> Iterator[str]:
    wanted = {gate.reports: _ROOM_BYTES, session.state: _ROOM_BYTES}
    wanted[gate.scratch] = max(wanted.get(gate.scratch, 0), gate.free_disk)
    for folder, needed in wanted.items():
        free = shutil.disk_usage(_present(folder)).free
        if free < needed:
            yield f"{folder} has {format_size(free)} free, and {format_size(needed)} are needed"


def _present(folder: Path) -> Path:
    """Return the folder, or what of the way to it is there: its disk is the same."""
    return next(place for place in (folder, *folder.absolute().parents) if place.exists())


def _needs(gate: Gate, session: Session) -> Iterator[str]:
    for absent in missing(gate.needs):
        yield str(absent)


def _residue(gate: Gate, session: Session) -> Iterator[str]:
    for run in open_runs(session.state):
        if not run.alive:
            yield f"run {run.run_id} left {run.told()} behind; clear it with `chaoslab undo`"


def _lock(gate: Gate, session: Session) -> Iterator[str]:
    for target in gate.locks:
        try:
            session.lock(target)
        except Refused as refused:
            yield refused.reason


GUARDS: dict[str, Guard] = {
    "allow-list": _allowed,
    "production": _confirmed,
    "free-disk": _free_disk,
    "needs": _needs,
    "residue": _residue,
    "lock": _lock,
}


def _allow_lists(gate: Gate) -> list[tuple[str, ...]]:
    return [patterns for patterns in (_patterns(ALLOW_VARIABLE), gate.allow) if patterns]


def _patterns(variable: str) -> tuple[str, ...]:
    return tuple(re.split(r"[\s,]+", os.environ.get(variable, "").strip(" ,\n\t"))) if os.environ.get(variable) else ()


def _fits(target: str, patterns: Sequence[str]) -> bool:
    """Match `postgres db1:5432/shop` by `db1:*`, by `postgres:*` or by the whole, in any case of letters."""
    kind, _, name = target.lower().partition(" ")
    forms = (name, f"{kind}:{name}", target.lower())
    return any(fnmatchcase(form, pattern.lower()) for pattern in patterns for form in forms)
