"""How a runner is started so that it can die in the chosen way, and how it is made to."""

import contextlib
import fcntl
import json
import os
import pty
import select
import signal
import subprocess
import sys
import termios
import threading
import time
from pathlib import Path

from torture_plan import OF_SIGNAL

RUNNER = Path(__file__).parent / "torture_runner.py"
MEMORY_BYTES = 160 << 20
OF_TERMINAL = ("terminal", "ctrl-c")
TICK_S = 0.002


class Runner:
    """A run that is going to be disturbed."""

    def __init__(self, plan, folder, *, environment, cgroup="", undisturbed=False):
        self.plan, self.folder, self.at = plan, folder, {"kind": "told"} if undisturbed else plan.at
        self.way = "none" if undisturbed else plan.way
        self.master = -1
        self._closed = threading.Event()
        act, limit = self._act(cgroup)
        counted = self.at["kind"] in {"call", "write"} and act
        order = {"act": act or "SIGWINCH", "at": self.at if counted else {"kind": "told"}, "limit": limit}
        if self.way == "oom" and cgroup:
            order["cgroup"] = cgroup
        words = [sys.executable, RUNNER, json.dumps(order), "run", "--reports", folder / "reports", folder / "run.json"]
        self.stderr = folder / f"stderr-{'second' if undisturbed else 'first'}"
        self.began = time.monotonic()
        self.process = self._start([str(word) for word in words], environment)
        self._reader = threading.Thread(target=self._read, daemon=True)
        if self.master >= 0:
            self._reader.start()
        if self.way == "reader-gone":
            self._hang_up()

    def _act(self, cgroup):
        """Return what the mine does, and what ends its taking of memory."""
        match self.way:
            case "oom":
                return "memory", "" if cgroup else "address-space"
            case "memory":
                return "memory", "address-space"
            case "flurry" | "kill-undo":
                return "SIGTERM", ""
            case "stopped":
                return "SIGSTOP", ""
            case "both" | "full":
                return self.way, ""
            case way:
                return OF_SIGNAL.get(way, ""), ""

    def _start(self, words, environment):
        options = {"cwd": self.folder, "env": environment}
        with self.stderr.open("wb") as stderr:
            if self.way in OF_TERMINAL:
                self.master, terminal = pty.openpty()
                with os.fdopen(terminal, "wb") as end:
                    streams = {"stdin": end, "stdout": end, "stderr": end}
                    return subprocess.Popen(
                        words, **options, **streams, start_new_session=True, preexec_fn=_own_terminal
                    )
            if self.way == "no-stdio":
                return subprocess.Popen(words, **options, preexec_fn=_close_streams)
            process = subprocess.Popen(
                words,
                **options,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                start_new_session=True,
            )
            self.master = os.dup(process.stdout.fileno())
            process.stdout.close()
            return process

    def _read(self):
        """Read what the run prints, so that it never waits for us, until it ends or the terminal is gone.

        Nobody else closes the file: as long as somebody reads it, it stays open.
        """
        with contextlib.suppress(OSError):
            while not self._closed.is_set():
                readable, _, _ = select.select([self.master], [], [], 0.02)
                if readable and not os.read(self.master, 65536):
                    break
        os.close(self.master)

    def _hang_up(self):
        self._closed.set()
        self._reader.join()

    def torment(self):
        """Wait for the instant, and do what the plan says."""
        if self.at["kind"] == "clock" and self.way not in {"none", "reaper", "no-stdio", "reader-gone"}:
            self._sleep(self.at["after_s"] - (time.monotonic() - self.began))
            self._strike()
        elif self.way in OF_TERMINAL:
            self._sleep(self.plan.waits_s[0] + 0.3)
            self._strike()
        elif self.plan.later:
            self._until_struck()
        for after_s, name in self.plan.later:
            self._sleep(after_s)
            self._send(getattr(signal, name))

    def _strike(self):
        if self.way == "terminal":
            self._hang_up()
        elif self.way == "ctrl-c":
            for _ in range(2):
                with contextlib.suppress(OSError):
                    os.write(self.master, b"\3")
                self._sleep(0.01)
        elif self.way in {"oom", "memory", "both", "full"}:
            if self.process.poll() is None and handles(self.process.pid, signal.SIGRTMIN):
                self._send(signal.SIGRTMIN)
        else:
            self._send(getattr(signal, self._act("")[0]))

    def _until_struck(self):
        """Wait until the mine has gone off: it is stopped, or it says that it stops, or it is over."""
        while self.process.poll() is None and not self._is_struck():
            time.sleep(TICK_S)

    def _is_struck(self):
        if self.way == "stopped":
            return _state(self.process.pid) == "T"
        return b"SIG" in self.stderr.read_bytes() or time.monotonic() - self.began > 3.0

    def _sleep(self, seconds):
        """Wait, unless the run ends before."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(max(0.0, seconds))

    def _send(self, number):
        if self.process.poll() is None:
            self.process.send_signal(number)

    def ended(self, within_s):
        """Wait for the end; return how it ended, or None if it does not end."""
        try:
            code = self.process.wait(within_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            code = None
        if self._reader.ident:
            self._hang_up()
        return code


def _own_terminal():
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _close_streams():
    for file in (0, 1, 2):
        os.close(file)


def _state(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def handles(pid, number):
    """Say whether a process has put a handler for a signal in place; else the signal would just kill it."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return False
    caught = next((line.split()[1] for line in lines if line.startswith("SigCgt:")), "0")
    return bool(int(caught, 16) >> (number - 1) & 1)


def memory_cgroup(name):
    """Make a control group with little memory; return its folder, or '' where that is not allowed."""
    for folder, limit in (("memory", "memory.limit_in_bytes"), ("", "memory.max")):
        group = Path("/sys/fs/cgroup", folder, name)
        if not (group.parent / "cgroup.procs").exists():
            continue
        try:
            group.mkdir(exist_ok=True)
            (group / limit).write_text(str(MEMORY_BYTES))
        except OSError:
            with contextlib.suppress(OSError):
                group.rmdir()
            continue
        return str(group)
    return ""
