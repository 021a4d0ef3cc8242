"""Activities and a control for the engine's own tests: each leaves a word in a file, or in `HEARD`."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

from chaoslib.exceptions import InterruptExecution

from chaoslab.core.errors import ChaoslabError, Refused
from chaoslab.core.units import parse_duration
from chaoslab.runtime.fault import Data, Fault, Pinned
from chaoslab.runtime.session import current
from chaoslab.runtime.steps import step

HEARD: list[str] = []
"""What was called in this process, oldest first."""
KEPT: dict[str, Any] = {}
"""Values that a test wants to look at."""


def say(word: str, file: str = "", returns: Any = None) -> Any:
    """Leave a word in `HEARD`, and in `file` if one is given."""
    HEARD.append(word)
    if file:
        with Path(file).open("a") as lines:
            lines.write(word + "\n")
    return returns


def fail(message: str = "no", file: str = "") -> None:
    """Raise, after leaving the word `fail`."""
    say("fail", file)
    raise RuntimeError(message)


def interrupt(message: str = "stop") -> None:
    """Raise the engine's InterruptExecution."""
    raise InterruptExecution(message)


def sleep(seconds: float, file: str = "", after: str = "slept") -> None:
    """Sleep; leave a word before and after."""
    say("sleeping", file)
    time.sleep(seconds)
    say(after, file)


def break_when_stopped() -> None:
    """Raise what a lock raises that was interrupted while it was being taken."""
    try:
        time.sleep(120.0)
    except BaseException:
        raise RuntimeError("release unlocked lock") from None


def wait_for(file: str, lines: int = 0) -> None:
    """Wait until a file is there and has so many lines."""
    while not Path(file).exists() or len(Path(file).read_text().splitlines()) < lines:
        time.sleep(0.005)


def signal_self(signame: str, then_sleep_s: float = 0.0) -> None:
    """Send a signal to this process, then sleep, which an exception from the handler cuts short."""
    os.kill(os.getpid(), getattr(signal, signame))
    time.sleep(then_sleep_s)


def keep(key: str, value: Any) -> None:
    """Keep an argument as it arrived."""
    KEPT[key] = value


def change_configuration(configuration: dict[str, Any]) -> None:
    """Try to write into the configuration: at its top, and inside a value."""
    configuration["top"] = "changed"
    configuration["nested"]["inside"] = "changed"


def count_up(bad: list[int], file: str) -> bool:
    """Return False on the calls whose numbers (from 1) are in `bad`, else True; counts in `file`."""
    number = len(Path(file).read_text().splitlines()) + 1 if Path(file).exists() else 1
    say("probe", file)
    return number not in bad


def fail_on(calls: list[int], file: str) -> bool:
    """Raise on the calls whose numbers are in `calls`, else return True; counts in `file`."""
    if not count_up(calls, file):
        raise RuntimeError("the probe broke")
    return True


def whisper_secret(secrets: dict[str, Any] | None = None) -> str:
    """Return something that is no secret, having been given one."""
    return "fine"


@step("recover")
def fail_to_restore() -> None:
    """Fail as one of our own steps."""
    raise ChaoslabError("the archive is truncated")


def count_in_words(file: str) -> int | str:
    """Return 1 the first time and a word from then on; counts in `file`."""
    return 1 if count_up([], file) and len(Path(file).read_text().splitlines()) == 1 else "two"


def _put(data: Data) -> None:
    Path(data["file"]).touch()  # in one go: a stop in the middle of it would leave an open file
    if data["dies"]:
        os.kill(os.getpid(), signal.SIGKILL)


def _is_there(data: Data) -> bool:
    return Path(data["file"]).exists()


def _take_away(data: Data) -> None:
    Path(data["file"]).unlink(missing_ok=True)


BLOT = Fault(inject=_put, effective=_is_there, undo=_take_away)


@BLOT.action
def blot(file: str, dies: bool = False, ttl: str = "60s") -> Pinned:
    """Put a file where none should be.

    Blast radius: one file.
    Undo: the file is removed.
    Effective when: the file is there.
    """
    if not Path(file).parent.is_dir():
        raise Refused("target", f"there is no folder {Path(file).parent}")
    return Pinned(target=f"file {file}", data={"file": file, "dies": dies}, ttl_s=parse_duration(ttl))


def is_blotted(file: str) -> bool:
    """Say whether the file is there."""
    return Path(file).exists()


@step("verify")
def chatter(lines: int) -> None:
    """Note figures, so that the run log grows."""
    for number in range(lines):
        current().figure(f"figure_{number}", number, "rows")
