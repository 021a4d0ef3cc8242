"""What a fault holds on to while it stands: a private file for what its undo needs, and a process that holds.

Some faults are nothing but something held: connections, a lock, a pause that has to be renewed. A *holder* is a process
of ours that holds it for as long as it lives; it ends by itself when its time is over, and ending it ends the fault.

What the undo needs and the ledger must not hold, a connection string with its password, lies in a file of the state
folder that its owner alone can read. The ledger names the file; the undo removes it. A fault without such a file was
never injected, or is undone.
"""

import hashlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

from chaoslab.core.errors import ChaoslabError, Refused
from chaoslab.runtime.clock import CLOCK
from chaoslab.runtime.identity import ProcessIdentity, identify
from chaoslab.runtime.places import private_folder, state_folder
from chaoslab.runtime.session import current, has_session

_GONE_WITHIN_S = 10.0
_remembered: dict[str, dict[str, Any]] = {}
"""What faults that are pinned but not yet injected will need, by their file: in this process only."""
_children: dict[int, subprocess.Popen[str]] = {}


class Hold:
    """What one fault holds on to."""

    def __init__(self, path: str | Path) -> None:
        """Take the path of its private file, as the ledger names it."""
        self.path = Path(path)

    @classmethod
    def pinned(cls, fault: str, target: str, private: Mapping[str, Any]) -> "Hold":
        """Return the place of a fault that is pinned now; nothing is written.

        Args:
            fault: its name
            target: what it hits; the same fault of one run on the same target has the same place
            private: what it needs and nobody else may read, kept in memory until it is injected

        Raises:
            Refused: this very fault stands already.
        """
        state, run = (current().state, current().run_id) if has_session() else (state_folder(), "plan")
        name = hashlib.sha256(f"{run}\n{fault}\n{target}".encode()).hexdigest()[:12]
        hold = cls(state.absolute() / "held" / f"{name}.json")
        if hold.path.exists():
            raise Refused(
                fault, f"this very fault stands already on {target}; wait for its end, or run `chaoslab undo`"
            )
        _remembered[str(hold.path)] = dict(private)
        return hold

    @property
    def token(self) -> str:
        """A word that recognises this fault on the server."""
        return self.path.stem

    def remembered(self) -> dict[str, Any]:
        """Return what was kept in memory when the fault was pinned in this process; {} in any other."""
        return _remembered.get(str(self.path), {})

    def note(self, **more: Any) -> None:
        """Keep something in memory, for those who ask in this process."""
        _remembered.setdefault(str(self.path), {}).update(more)

    def write(self, **more: Any) -> None:
        """Write what the undo will need to the disk, before anything is done."""
        content = {**self.remembered(), **(self.read() or {}), **more}
        private_folder(self.path.parent)
        new = self.path.with_suffix(".new")
        file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.write(file, json.dumps(content).encode())
            os.fsync(file)
        finally:
            os.close(file)
        new.rename(self.path)

    def read(self) -> dict[str, Any] | None:
        """Return what was written, or None when the fault was never injected or is undone."""
        try:
            found: dict[str, Any] = json.loads(self.path.read_text())
        except FileNotFoundError:
            return None
        return found

    def remove(self) -> None:
        """Remove the file: nothing is left to undo."""
        self.path.unlink(missing_ok=True)

    def start(self, module: str, order: Mapping[str, Any], *, ttl_s: float, ready_within_s: float) -> dict[str, Any]:
        """Start a holder and wait until it holds; return what it told.

        Args:
            module: whose `main` calls `hold`
            order: what it is to hold; it may have secrets, for it goes through a pipe
            ttl_s: seconds after which it ends by itself
            ready_within_s: seconds until it must hold

        Raises:
            ChaoslabError: it cannot hold, for the reason that it told; it has ended then.
        """
        process = subprocess.Popen(
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
            text=True,
        )
        _children[process.pid] = process
        identity = identify(process.pid)
        assert identity is not None, "our own child has its entry until we wait for it"
        # It waits for its order: if we die before the file names it, it reads the end of the pipe, and ends.
        self.write(process=asdict(identity))
        assert process.stdin is not None
        assert process.stdout is not None
        with process.stdout, suppress(BrokenPipeError), process.stdin:
            process.stdin.write(json.dumps({**order, "ttl_s": ttl_s}) + "\n")
            process.stdin.flush()
            told = _line(process.stdout.fileno(), ready_within_s)
        if "holds" not in told:
            self.end()
            raise ChaoslabError(told.get("error") or f"nothing was held within {ready_within_s:g} s")
        return dict(told["holds"])

    def end(self) -> None:
        """End the holder, if it lives.

        Raises:
            ChaoslabError: it does not end.
        """
        known = (self.read() or {}).get("process")
        if not known:
            return
        identity = ProcessIdentity(**known)
        if not identity.kill(within_s=_GONE_WITHIN_S):
            raise ChaoslabError(f"the process {identity.pid} that holds the fault does not end")
        if child := _children.pop(identity.pid, None):
            child.wait()

    def is_alive(self) -> bool:
        """Say whether its holder lives."""
        known = (self.read() or {}).get("process")
        return known is not None and ProcessIdentity(**known).is_alive()


def hold(take: Callable[[dict[str, Any]], tuple[dict[str, Any], Callable[[], NoReturn]]]) -> None:
    """Be a holder: read the order, take hold, tell so, and hold until the time is over.

    Args:
        take: takes hold of what the order says; returns what to tell, and what to do from then on
    """
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    text = sys.stdin.readline()
    if not text:
        return  # whoever started us died before it told what to hold
    order = json.loads(text)
    # Whatever the others of our threads wait for: at the end of the time all that we hold is let go of.
    over = threading.Timer(order["ttl_s"], os._exit, (0,))
    over.daemon = True
    over.start()
    try:
        told, stay = take(order)
    except Exception as error:
        _tell({"error": f"{error}" if isinstance(error, ChaoslabError) else f"{type(error).__name__}: {error}"})
        return
    _tell({"holds": told})
    stay()


def _tell(line: Mapping[str, Any]) -> None:
    with suppress(BrokenPipeError):
        os.write(1, json.dumps(line).encode() + b"\n")
    os.close(1)


def _line(file: int, within_s: float) -> dict[str, Any]:
    """Return the one line that a holder tells; {} when it tells nothing in time."""
    until_s, data = CLOCK.mono() + within_s, b""
    while (left_s := until_s - CLOCK.mono()) > 0 and not data.endswith(b"\n"):
        readable, _, _ = select.select([file], [], [], left_s)
        piece = os.read(file, 65536) if readable else b""
        if not piece:
            break
        data += piece
    told: dict[str, Any] = json.loads(data) if data.endswith(b"\n") else {}
    return told
