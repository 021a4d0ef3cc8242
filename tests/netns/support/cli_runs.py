"""Experiments that strike once, run as a person runs them."""

import json
import os
import subprocess
import sys

from one_strike import experiment

COMMAND = [sys.executable, "-c", "import sys; from chaoslab.cli.main import main; sys.exit(main())"]


def file_of(folder, action, seconds="0.1", **arguments):
    """Write an experiment whose method strikes and then waits."""
    text = experiment(f"{action.__module__}:{action.__name__}", arguments)
    wait = text["method"][-1]
    wait["provider"]["arguments"] = {"duration": f"{seconds}s"}
    file = folder / f"{action.__name__}.json"
    file.write_text(json.dumps(text))
    return file


def environment(folder):
    return os.environ | {"XDG_STATE_HOME": str(folder / "home"), "NO_COLOR": "1"}


def start(folder, verb, file, **more):
    words = ["--reports", folder / "reports"] if verb == "run" else []
    return subprocess.Popen(
        [*COMMAND, verb, *words, file],
        env=environment(folder),
        cwd=folder,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **more,
    )


def run(folder, verb, file, **more):
    """Return the exit code and all that was said."""
    process = start(folder, verb, file, **more)
    out, err = process.communicate(timeout=120)
    return process.returncode, out + err
