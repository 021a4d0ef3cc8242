"""A process that has the engine imported and forks a child a command, so that a run costs milliseconds.

Reads one JSON object a line on stdin: {"argv": [...], "cwd": ..., "env": {...}, "out": file, "err": file}.
Writes {"pid": ...} when the child began, then {"exit": code, or minus the signal} when it is over.
`argv[0]` is `chaos` (the command line of Chaos Toolkit) or `module:function`, which is called with the rest.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
from typing import Any

import chaostoolkit.cli

import chaoslab.engine.plainrun
import chaoslab.engine.runner  # noqa: F401 - so that no child has to


def main() -> None:
    """Serve until stdin closes."""
    for line in sys.stdin:
        command = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _child(command)
        _answer(pid=pid)
        _, status = os.waitpid(pid, 0)
        _answer(exit=os.waitstatus_to_exitcode(status))


def _answer(**said: int) -> None:
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()


def _child(command: dict[str, Any]) -> None:
    os.setsid()
    _redirect(command)
    os.chdir(command["cwd"])
    os.environ.update(command["env"])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    code = 1
    try:
        code = _call(command["argv"])
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(bool(end.code))
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _redirect(command: dict[str, Any]) -> None:
    for number, name in ((0, os.devnull), (1, command["out"]), (2, command["err"])):
        handle = os.open(name, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(handle, number)
        os.close(handle)


def _call(argv: list[str]) -> int:
    if argv[0] == "chaos":
        return chaostoolkit.cli.cli.main(args=argv[1:], prog_name="chaos") or 0
    module, function = argv[0].split(":")
    return getattr(importlib.import_module(module), function)(*argv[1:]) or 0


if __name__ == "__main__":
    main()
