"""Run the programs of the network, `nft` and `tc`: with a deadline, and with errors of one line."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from typing import Any

from chaoslab.core.errors import ChaoslabError, Missing, one_line

_PACKAGES = {"nft": "nftables", "tc": "iproute2", "ip": "iproute2", "nsenter": "util-linux"}


class ProgramFailed(ChaoslabError):
    """A program did not do what it was asked to; its own words are in the message."""


def find(program: str) -> str:
    """Return where a program is; those of the administrator are often not on a user's path.

    Raises:
        Missing: it is not there.
    """
    found = shutil.which(program, path=_path())
    if found is None:
        remedy = f"install it (Debian: apt-get install {_PACKAGES.get(program, program)})"
        raise Missing(f"the program {program}", remedy)
    return found


def start(argv: Sequence[str], **more: Any) -> subprocess.Popen[str]:
    """Start a program whose stdin, stdout and stderr are pipes of text; `more` goes to Popen.

    Raises:
        Missing: it is not there.
    """
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    environment = os.environ | {"PATH": _path(), "LC_ALL": "C.UTF-8"}
    # In a process group of its own: a Ctrl-C in the terminal is for the run, which is undoing by this very program.
    apart = {"process_group": 0}
    return subprocess.Popen([find(argv[0]), *argv[1:]], text=True, env=environment, **(pipes | apart | more))


def finish(process: subprocess.Popen[str], argv: Sequence[str], *, stdin: str, deadline_s: float) -> str:
    """Await a program and return what it printed.

    Raises:
        ProgramFailed: it said no, or did not end in time.
    """
    with process:
        try:
            said, complaint = process.communicate(stdin, timeout=deadline_s)
        except subprocess.TimeoutExpired as error:
            process.kill()
            raise ProgramFailed(f"{_short(argv)} did not end within {deadline_s:g} s") from error
    if process.returncode:
        words = " ".join(complaint.split()) or f"exit status {process.returncode}"
        raise ProgramFailed(one_line(f"{_short(argv)} failed: {words}"))
    return said


def _short(argv: Sequence[str]) -> str:
    return one_line(" ".join(argv), longest=80)


def _path() -> str:
    return os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/sbin:/sbin"
