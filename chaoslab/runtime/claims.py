"""Whose a place on a target is: the undo of an older fault leaves alone what a newer fault has done there since.

Most targets do not say who has done something to them: a stopped process does not know by whom. An undo that comes
late, because its process stood still, or because nobody called it, would end the newer fault, and its run would not
notice. So a fault *claims* its places before it is injected, and its undo gives them back. A claim is a file that names
the ledger and the entry of its fault, and the entry's token:

- while that entry is open, no other fault is injected there;
- an undo that finds another fault's claim does nothing: its own was undone before, or the other could not stand there;
- an undo holds a lock on the file while it works, and nothing is injected before the last one under way has ended.

Claims lie where all runs of this user on this machine see them, whatever their state folders are, and are gone after
the machine's next start, as most places are. A place without a claim is undone as if there were none.
"""

import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from chaoslab.core.errors import ChaoslabError, Refused
from chaoslab.runtime.clock import CLOCK
from chaoslab.runtime.entry import Entry, Reading
from chaoslab.runtime.filelock import flock_within
from chaoslab.runtime.places import private_folder

GUARD = "claim"
BY_WHOM = "by an earlier run, which `chaoslab undo` ends, or by somebody else"
"""Who may have done already what a fault is about to do, where the target does not say."""
_UNDONE_WITHIN_S = 2.0
"""How long a strike waits for the undo of the fault before: it may just be under way."""
_FREE_WITHIN_S = 5.0
"""How long an undo waits for another one; then it goes on, which is safe because every undo is idempotent."""
_POLL_S = 0.02
type Owner = dict[str, Any]
type _Known = dict[tuple[str, int, int], Reading]
"""Ledgers that were read already, by path, inode and size: they only grow."""


def paths_of(places: Iterable[str], state: Path) -> tuple[str, ...]:
    """Return the files that stand for places.

    Args:
        places: each in words that are the same for whoever means the same
        state: the state folder, where the machine has no better place
    """
    folder = _machine_folder() or state.absolute() / "claims"
    return tuple(str(folder / hashlib.sha256(place.encode()).hexdigest()[:24]) for place in sorted(set(places)))


def take(entry: Entry, ledger: Path, run_id: str) -> None:
    """Claim the places of a fault that is about to be injected: all of them or none.

    Raises:
        Refused: another fault stands there, or its undo has not come to its end.
        OSError: the files cannot be written.
    """
    mine = {"token": entry.token, "ledger": str(ledger.absolute()), "entry": entry.number, "run": run_id}
    mine["fault"] = entry.name
    until_s = CLOCK.mono() + _UNDONE_WITHIN_S
    while True:
        with _locked(entry.claims, until_s - CLOCK.mono()) as files:
            if None in files:
                raise Refused(GUARD, _not_ended(entry))
            found = [_owner(file) for file in files if file is not None]
            standing = next((owner for owner in found if owner and _is_open(owner, {})), None)
            if standing is None:
                for file in filter(None, files):
                    _write(file, mine)
                return
        if CLOCK.mono() > until_s:
            told = f"{standing['fault']} of run {standing['run']} stands on {entry.target}, and is not undone"
            raise Refused(GUARD, f"{told} (ledger {standing['ledger']}); `chaoslab undo` ends it")
        CLOCK.sleep(_POLL_S)


@contextmanager
def undoing(entry: Entry) -> Iterator[bool]:
    """Hold the places of an entry while it is undone, then give them back; yields False where there is nothing to undo.

    Raises:
        ChaoslabError: newer faults stand in some of its places, so that it cannot be undone before them.
    """
    with _locked(entry.claims, _FREE_WITHIN_S) as files:
        owners = [_owner(file) for file in files if file is not None]
        others = [owner for owner in owners if owner and owner["token"] != entry.token]
        if others and len(others) < len(files) and entry.state == "injected":
            raise ChaoslabError(f"{others[0]['fault']} of run {others[0]['run']} stands there by now; undo it first")
        yield not others
        for path, file in zip(entry.claims, files, strict=True):
            if file is not None and _owner(file) not in others:
                _remove(path)


def sweep(state: Path) -> None:
    """Remove the claims of faults that are undone: of an undo that was killed between its work and giving back."""
    known: _Known = {}
    for folder in filter(None, (_machine_folder(), state.absolute() / "claims")):
        with suppress(OSError):
            for name in os.listdir(folder):
                with _locked((str(folder / name),), 0.0) as (file,):
                    if file is not None and not ((owner := _owner(file)) and _is_open(owner, known)):
                        _remove(str(folder / name))


@cache
def _machine_folder() -> Path | None:
    """Return this user's folder that lasts until the machine's next start; None where there is none."""
    uid = os.getuid()
    base = Path("/run") if uid == 0 else Path(f"/run/user/{uid}")
    folder = base / "chaoslab" / "claims"
    try:
        folder.parent.mkdir(mode=0o700, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError:
        return None
    ours = stat.S_ISDIR(found.st_mode) and found.st_uid == uid and os.access(folder, os.W_OK | os.X_OK)
    return folder if ours else None


@contextmanager
def _locked(paths: Sequence[str], within_s: float) -> Iterator[list[int | None]]:
    """Open and lock files, in their order, so that nobody waits in a circle; None for one that cannot be had."""
    until_s = CLOCK.mono() + within_s
    with ExitStack() as stack:
        files: list[int | None] = []
        for path in paths:
            file = _lock(path, lambda: max(0.0, until_s - CLOCK.mono()))
            if file is not None:
                stack.callback(os.close, file)
            files.append(file)
        yield files


def _lock(path: str, left_s: Callable[[], float]) -> int | None:
    """Open a file that may be removed at any instant, and lock it while it is there."""
    while True:
        try:
            private_folder(Path(path).parent)
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError:
            return None
        try:
            if not flock_within(file, left_s()):
                os.close(file)
                return None
            if os.path.samestat(os.stat(path), os.fstat(file)):
                return file
        except FileNotFoundError:
            pass  # whoever had it has removed it: the next one is another file
        except BaseException:
            os.close(file)
            raise
        os.close(file)


def _owner(file: int) -> Owner | None:
    """Return whose a claim is; None when it is nobody's."""
    try:
        found = json.loads(os.pread(file, 1 << 16, 0) or b"{}")
    except ValueError:
        return None  # torn: its writer was killed before it injected anything
    return found if isinstance(found, dict) and {"token", "ledger", "entry", "run", "fault"} <= found.keys() else None


def _write(file: int, owner: Owner) -> None:
    os.ftruncate(file, 0)
    os.pwrite(file, json.dumps(owner).encode(), 0)


def _remove(path: str) -> None:
    with suppress(OSError):
        os.unlink(path)


def _is_open(owner: Owner, known: _Known) -> bool:
    """Say whether the fault of a claim may still stand; a ledger that is gone had nothing open, or nobody knows it."""
    try:
        reading = _reading(owner["ledger"], known)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    entry = reading.entries.get(owner["entry"])
    if entry is None or entry.token != owner["token"]:
        return bool(reading.illegible)
    return entry.state != "undone"


def _reading(ledger: str, known: _Known) -> Reading:
    """Read a ledger, once for all its claims unless it has grown meanwhile."""
    found = os.stat(ledger)
    state = (ledger, found.st_ino, found.st_size)
    if state not in known:
        known[state] = reading = Reading()
        for line in Path(ledger).read_text(errors="replace").split("\n")[:-1]:
            reading.take(line)
    return known[state]


def _not_ended(entry: Entry) -> str:
    """Say who keeps a place from being claimed."""
    who = sorted({str(pid) for path in entry.claims for pid in _lockers(path)})
    by = f" by process {', '.join(who)}" if who else ""
    return f"an earlier undo on {entry.target}{by} has not come to its end, and would end this fault; end it first"


def _lockers(path: str) -> list[int]:
    """Return who holds the lock of a file, as the kernel lists them."""
    with suppress(OSError):
        found = os.stat(path)
        where = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
        rows = (line.split() for line in Path("/proc/locks").read_text().splitlines())
        return [int(row[4]) for row in rows if row[1] == "FLOCK" and row[5] == where]
    return []
