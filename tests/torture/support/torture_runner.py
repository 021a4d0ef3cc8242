"""The `chaoslab` command with a mine in it: at one exact instant it does to itself what kills runners.

Usage: torture_runner.py ORDER ARGUMENT...   ORDER is JSON: `act`, what happens; `at`, the instant:

    {"kind": "call", "number": 812}                                       the 812th call of a function of chaoslab
    {"kind": "write", "line": "intended", "part": "half", "number": 1}    before, inside or after a line of the ledger
    {"kind": "told"}                                                      when its parent sends SIGRTMIN

`act` is the name of a signal; `memory`: take all there is; `full`: fill the disk of the state folder; `both`: SIGKILL
to the reaper and to itself. The instants are counted, not timed, so that a seed brings the same one again.
"""

import json
import os
import resource
import signal
import sys
from contextlib import suppress
from pathlib import Path

PACKAGE = f"{os.sep}chaoslab{os.sep}"
SMALL_BYTES = 32 << 20
PIECE_BYTES = 4 << 20
ROOM_BYTES = 2 << 20
"""How far the address space may still grow when memory is to run out without a kernel's killer."""


class Mine:
    """What happens, once."""

    def __init__(self, act, limit):
        self.act, self.limit, self.left = act, limit, 1

    def __call__(self, *ignored):
        if not self.left:
            return
        self.left = 0
        if self.act == "memory":
            self.take_memory()
        elif self.act == "full":
            fill_disk(Path(os.environ["XDG_STATE_HOME"]))
        elif self.act == "both":
            self.kill_reaper()
            os.kill(os.getpid(), signal.SIGKILL)
        else:
            os.kill(os.getpid(), getattr(signal, self.act))

    def kill_reaper(self):
        """Kill the reaper before its runner, so that nobody is left to undo."""
        for thread in Path("/proc/self/task").iterdir():
            for pid in map(int, (thread / "children").read_text().split()):
                if "chaoslab.runtime.reaper" in Path(f"/proc/{pid}/cmdline").read_text().split("\0"):
                    os.kill(pid, signal.SIGKILL)

    def take_memory(self):
        """Take memory until the kernel kills this process, or until Python has none left."""
        if self.limit == "address-space":
            used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
            hard = resource.getrlimit(resource.RLIMIT_AS)[1]
            resource.setrlimit(resource.RLIMIT_AS, (used + ROOM_BYTES, hard))
            raise MemoryError
        taken = []
        while True:
            taken.append(b"\1" * PIECE_BYTES)


def fill_disk(folder):
    """Leave no byte of a small disk that was made for this; of any other, everything."""
    told = os.statvfs(folder)
    if told.f_blocks * told.f_frsize > SMALL_BYTES:
        return
    file = os.open(folder / "filler", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with suppress(OSError):
        while True:
            os.write(file, b"x" * (os.statvfs(folder).f_bavail * told.f_frsize // 2 or 4096))
    os.close(file)


def at_call(number, mine):
    """Set it off when the so-manieth function of chaoslab begins, in whichever thread."""
    monitoring, seen = sys.monitoring, 0
    monitoring.use_tool_id(monitoring.DEBUGGER_ID, "torture")

    def began(code, offset):
        nonlocal seen
        if PACKAGE not in code.co_filename:
            return monitoring.DISABLE
        seen += 1
        if seen == number:
            mine()
        return None

    monitoring.register_callback(monitoring.DEBUGGER_ID, monitoring.events.PY_START, began)
    monitoring.set_events(monitoring.DEBUGGER_ID, monitoring.events.PY_START)
    return lambda: seen


def at_write(line, part, number, mine):
    """Set it off around a write of the ledger: before it, when half of its bytes are out, or after it."""
    from chaoslab.runtime.ledger import UndoLedger

    append, write, seen = UndoLedger._append, os.write, 0

    def half(file, data):
        os.write = write
        written = write(file, data[: len(data) // 2])
        mine()
        return written

    def appended(self, fields, **options):
        nonlocal seen
        seen += fields["kind"] == line
        if fields["kind"] != line or seen != number:
            return append(self, fields, **options)
        if part == "before":
            mine()
        os.write = half if part == "half" and mine.left else write
        try:
            return append(self, fields, **options)
        finally:
            os.write = write
            if part == "after":
                mine()

    UndoLedger._append = appended


def main():
    order, sys.argv[:] = json.loads(sys.argv[1]), ["chaoslab", *sys.argv[2:]]
    if order.get("cgroup"):
        Path(order["cgroup"], "cgroup.procs").write_text(str(os.getpid()))
    mine, at = Mine(order["act"], order.get("limit", "")), order["at"]
    calls = lambda: 0  # noqa: E731
    if at["kind"] == "call":
        calls = at_call(at["number"], mine)
    elif at["kind"] == "write":
        at_write(at["line"], at["part"], at["number"], mine)
    else:
        signal.signal(signal.SIGRTMIN, mine)
    from chaoslab.cli.main import main as chaoslab

    code = chaoslab()
    if os.environ.get("TORTURE_COUNT"):
        with suppress(OSError):
            Path(os.environ["TORTURE_COUNT"]).write_text(str(calls()))
    sys.exit(code)


if __name__ == "__main__":
    main()
