"""The clock of one process is wrong. The machine's own clock is never touched.

A running process cannot be given another clock from outside: it has to be started with one that can be moved.
libfaketime is that: preloaded, it adds to the wall clock what a file says, and asks the file each time. The fault
writes the file, and the undo puts back what it held.
"""

import os
import re
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

from chaoslab.core.errors import BadUsage, ChaoslabError, Refused
from chaoslab.process.proc import read
from chaoslab.process.selection import Selector, pin_all
from chaoslab.process.target import data_of, describe, identity_of
from chaoslab.runtime.arguments import seconds, time_to_live, yes
from chaoslab.runtime.clock import CLOCK
from chaoslab.runtime.fault import Data, Fault, Pinned

NAME = "resource.clock.skew"
GUARD = "resource"
_FILE = "FAKETIME_TIMESTAMP_FILE"
_NO_CACHE = "FAKETIME_NO_CACHE"
_REAL_MONOTONIC = "FAKETIME_DONT_FAKE_MONOTONIC"
_HOW = (
    f"start it with LD_PRELOAD=libfaketimeMT.so.1 {_FILE}=/an/absolute/file {_NO_CACHE}=1 {_REAL_MONOTONIC}=1"
    " (Debian: apt-get install libfaketime); the lab's own service: `chaoslab lab start --faketime`"
)
_MAX_S = 10 * 366 * 86400.0
_TOLERANCE_S = 5.0
_DEADLINE_S = 5.0
_OURS = "# chaoslab: written by the fault resource.clock.skew, and removed by its undo"


def _skew(data: Data) -> dict[str, Any]:
    if not identity_of(data).is_alive():
        raise Refused(GUARD, f"process {data['pid']} ended before its clock could be moved")
    if _content(Path(data["file"])) != data["before"]:
        raise Refused(GUARD, f"{data['file']} was changed by somebody else before the clock could be moved")
    _replace(Path(data["file"]), _text(data))
    return {"offset_s": data["offset_s"]}


def _is_wrong(data: Data) -> bool:
    """Ask a clock that is started exactly as the process was; the process itself asks the file each time."""
    process = identity_of(data)
    if not process.is_alive() or not (environment := _environment(process.pid)):
        return False
    shown = subprocess.run(
        ["date", "+%s.%N"], env=environment, capture_output=True, text=True, check=True, timeout=_DEADLINE_S
    )
    moved_s = float(shown.stdout) - CLOCK.wall().timestamp()
    return bool(abs(moved_s - data["offset_s"]) < min(_TOLERANCE_S, abs(data["offset_s"]) / 2))


def _set_right(data: Data) -> None:
    file = Path(data["file"])
    if _content(file) != _text(data):
        return  # never written, undone, or somebody else's by now
    if data["before"] is None:
        with suppress(FileNotFoundError):
            file.unlink()
    else:
        _replace(file, data["before"])


SKEW = Fault(inject=_skew, effective=_is_wrong, undo=_set_right)


@SKEW.action
def skew(
    offset: str,
    pid_file: str = "",
    pid: int = 0,
    *,
    unit: str = "",
    name: str = "",
    user: str = "",
    command: str = "",
    port: str = "",
    cgroup: str = "",
    database: str = "no",
    ttl: str = "60s",
) -> Pinned:
    """Move the wall clock of one process that was started under libfaketime. Its monotonic clock goes on as before.

    Args:
        offset: by how much: `+90s` into the future, `-1h` into the past
        pid_file: a file that holds `pid`, or `pid start-time` (clock ticks since boot)
        pid: the pid, instead of the file
        unit, name, user, command, port, cgroup: by what else it is found, as for `process.pause`
        database: yes, if a database server is really meant
        ttl: how long it may last without the runner's word

    Blast radius: this process, and whoever else was started with the same file; never the machine's clock.
    Undo: the file is given back what it held, or removed if there was none.
    Effective when: a clock that is read with this process's environment is wrong by the offset.

    Raises:
        BadUsage: an argument makes no sense.
        Refused: as for `process.pause`; the process was not started in a way that lets its clock be moved (the
            refusal says how); its file cannot be written, or holds something else already.
    """
    offset_s, ttl_s = _offset_s(offset), time_to_live(ttl)
    selector = Selector(pid_file, pid, unit, name, user, command, port, cgroup)
    [process] = pin_all(selector, database=yes("database", database))
    file = _file_of(process.pid, describe(process))
    before = _content(file)
    if before is not None and re.sub(r"(?m)^[#;].*$", "", before).strip() not in {"", "+0", "0", "-0"}:
        raise Refused(GUARD, f"the clock of {describe(process)} is moved already: {file} holds {before.strip()!r}")
    data = {**data_of(process), "file": str(file), "before": before, "offset_s": offset_s}
    return Pinned(f"clock of {describe(process)}, by {offset}", data, ttl_s, claims=(f"clock {file}",))


def _offset_s(text: str) -> float:
    sign = -1.0 if str(text).startswith("-") else 1.0
    offset_s = sign * seconds("offset", str(text).removeprefix("-").removeprefix("+"))
    if not 1.0 <= abs(offset_s) <= _MAX_S:
        raise BadUsage(f"offset: {text!r} is none from 1s to ten years; write +90s or -1h")
    return offset_s


def _file_of(pid: int, told: str) -> Path:
    """Return the file that moves the clock of a process.

    Raises:
        Refused: there is none, and how to have one.
    """
    environment = _environment(pid)
    if "libfaketime" not in read(pid, "maps"):
        raise Refused(GUARD, f"the clock of {told} cannot be moved while it runs; {_HOW}")
    file = Path(environment.get(_FILE, ""))
    missing = [word for word in (_NO_CACHE, _REAL_MONOTONIC) if environment.get(word) != "1"]
    if not file.is_absolute() or missing or "FAKETIME" in environment:
        # A cached offset would outlive the undo; FAKETIME itself has priority over the file.
        wrong = (
            ", ".join(f"{word}=1 is missing" for word in missing)
            or f"{_FILE} must be an absolute path, without FAKETIME"
        )
        raise Refused(GUARD, f"{told} runs under libfaketime, but not so that its clock can be moved: {wrong}; {_HOW}")
    if not file.parent.is_dir() or not os.access(file.parent, os.W_OK | os.X_OK):
        raise Refused(GUARD, f"{file} cannot be written by this user, and it holds the clock of {told}")
    return file


def _environment(pid: int) -> dict[str, str]:
    """Return the environment that a process was started with; {} when it is gone or closed to us."""
    words = (
        (word.partition("=")[0], word.partition("=")[2]) for word in read(pid, "environ").split("\0") if "=" in word
    )
    return dict(words)


def _text(data: Data) -> str:
    return f"{_OURS}\n{data['offset_s']:+f}\n"


def _content(file: Path) -> str | None:
    try:
        return file.read_text()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ChaoslabError(f"cannot read {file}, which holds the clock: {error}") from error


def _replace(file: Path, text: str) -> None:
    """Replace the file at once: half a line would be another time."""
    new = file.with_name(f"{file.name}.chaoslab")
    new.write_text(text)
    if file.exists():
        new.chmod(file.stat().st_mode & 0o777)
    new.replace(file)
