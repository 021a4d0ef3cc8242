"""The lab's processes: started so that they outlive us, found again, and ended, by pid and start time."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field

from chaoslab.lab.databases import LabFailed
from chaoslab.lab.home import Home
from chaoslab.postgres.servers.folders import write_private
from chaoslab.runtime.clock import CLOCK
from chaoslab.runtime.identity import ProcessIdentity, identify

GRACE_S = 5.0
FORCE_S = 30.0
READY_S = 60.0
STILL_READY_S = 3.0
"""What runs already has no start before it; one that does not answer for so long is started anew."""
POLL_S = 0.02
LOG_MAX_BYTES = 10 * 2**20


@dataclass(frozen=True)
class Part:
    """One process of the lab: how it is started."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    files: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What its configuration files in the lab's home must hold, by name."""

    @property
    def signature(self) -> str:
        """A digest of all of it: a process that was started otherwise is not the one that is wanted."""
        whole = json.dumps([self.command, dict(self.environment), dict(self.files)], sort_keys=True)
        return hashlib.sha256(whole.encode()).hexdigest()


def running(home: Home, name: str) -> ProcessIdentity | None:
    """Return the living process of a part, or None."""
    known = home.read(f"run/{name}.json")
    try:
        identity = ProcessIdentity(int(known["pid"]), int(known["started"]), str(known["boot"]))
    except (KeyError, TypeError, ValueError):
        return None
    return identity if identity.is_alive() else None


def ensure(home: Home, part: Part, ready: Callable[[], bool], *, patience_s: float = READY_S) -> bool:
    """See to it that a part runs as wanted, and return whether it had to be started.

    Args:
        home: the lab
        part: what is wanted
        ready: says whether it does its work
        patience_s: seconds that it may take until it does

    Raises:
        LabFailed: it does not; with the last line of its log.
    """
    as_wanted = home.read(f"run/{part.name}.json").get("signature") == part.signature
    if as_wanted and running(home, part.name) and becomes(ready, STILL_READY_S):
        return False
    stop(home, part.name)
    process = _spawn(home, part)
    if not becomes(lambda: process.poll() is not None or ready(), patience_s):
        raise LabFailed(f"the lab's {part.name} is not ready after {patience_s:g} s: {_last_words(home, part.name)}")
    if process.poll() is not None:
        raise LabFailed(f"the lab's {part.name} ended at once: {_last_words(home, part.name)}")
    # It is meant to outlive us: not even a warning that it does.
    process.returncode = 0
    return True


def stop(home: Home, name: str) -> None:
    """End a part. Harmless when it does not run."""
    identity = running(home, name)
    if identity is not None:
        end(identity)
    home.record(name).unlink(missing_ok=True)


def end(identity: ProcessIdentity) -> None:
    """End a process and no other: gently, after waking it if it is paused, then by force.

    Raises:
        LabFailed: not even SIGKILL ended it.
    """
    for number, patience_s in ((signal.SIGTERM, GRACE_S), (signal.SIGKILL, FORCE_S)):
        if identity.send(number):
            identity.send(signal.SIGCONT)
        if becomes(lambda: not identity.is_alive(), patience_s):
            with contextlib.suppress(ChildProcessError):
                os.waitpid(identity.pid, os.WNOHANG)  # it may be a child of ours
            return
    raise LabFailed(f"process {identity.pid} does not end")


def _spawn(home: Home, part: Part) -> subprocess.Popen[bytes]:
    for name, text in part.files.items():
        write_private(home.path / name, text)
    log = home.log(part.name)
    if log.exists() and log.stat().st_size > LOG_MAX_BYTES:
        log.replace(log.with_name(log.name + ".1"))
    with log.open("ab") as stream:
        process = subprocess.Popen(
            part.command,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # the terminal's signals are not for it
            cwd="/",
            env={**os.environ, **part.environment},
        )
    identity = identify(process.pid)
    if identity is not None:
        record = {**asdict(identity), "signature": part.signature}
        write_private(home.record(part.name), json.dumps(record))
    return process


def becomes(true: Callable[[], bool], patience_s: float) -> bool:
    """Wait until something is true, and return whether it became so in these seconds."""
    until = CLOCK.mono() + patience_s
    while not true():
        if CLOCK.mono() > until:
            return False
        CLOCK.sleep(POLL_S)
    return True


def _last_words(home: Home, name: str) -> str:
    try:
        lines = home.log(name).read_text(errors="replace").strip().splitlines()
    except OSError:
        return "it left no log"
    return lines[-1] if lines else "it said nothing"
