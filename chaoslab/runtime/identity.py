"""Which process is meant: a pid alone may be reused, a pid with its start time may not."""

import os
import select
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """A process of this boot."""

    pid: int
    started: int
    """Start time in clock ticks since boot, field 22 of /proc/PID/stat (man 5 proc)."""
    boot: str
    """The kernel's random id of the boot."""

    def told(self) -> str:
        """Return it in words that no other process shares."""
        return f"{self.pid} {self.started} {self.boot}"

    def is_alive(self) -> bool:
        """Say whether this very process still runs (a zombie does not)."""
        found = identify(self.pid)
        return found == self and state_of(self.pid) not in {"Z", "X", ""}

    def send(self, number: signal.Signals) -> bool:
        """Send a signal to this very process, never to another one with its pid; return whether it was still there.

        Raises:
            PermissionError: the kernel does not let this user do it.
        """
        handle = self._open()
        if handle is None:
            return False
        try:
            signal.pidfd_send_signal(handle, number)
        except ProcessLookupError:
            return False
        finally:
            os.close(handle)
        return True

    def kill(self, *, within_s: float) -> bool:
        """Kill this very process, and wait; return whether it has ended by then."""
        handle = self._open()
        if handle is None:
            return True
        try:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, signal.SIGKILL)
            end = select.poll()
            end.register(handle, select.POLLIN)
            return bool(end.poll(within_s * 1000))
        finally:
            os.close(handle)

    def _open(self) -> int | None:
        """Return a handle of this very process, or None when it is gone."""
        try:
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return None
        # The handle holds on to whoever had the pid; if that is the one we mean now, it was all the time.
        if identify(self.pid) == self:
            return handle
        os.close(handle)
        return None


def boot_id() -> str:
    """Return the kernel's id of this boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def identify(pid: int) -> ProcessIdentity | None:
    """Return who has this pid now, or None if nobody has."""
    fields = _stat(pid)
    return ProcessIdentity(pid, int(fields[19]), boot_id()) if fields else None


def myself() -> ProcessIdentity:
    """Return the identity of this process."""
    found = identify(os.getpid())
    assert found is not None
    return found


def state_of(pid: int) -> str:
    """Return the one-letter state of a process (R, S, T, Z ...), or '' if there is none."""
    fields = _stat(pid)
    return fields[0] if fields else ""


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat from the state on; the name before it may hold spaces and brackets."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return text.rpartition(")")[2].split()
