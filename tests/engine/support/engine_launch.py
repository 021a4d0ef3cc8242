"""Ways to start a run that the zygote can be told to take."""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

import chaostoolkit.cli

from chaoslab.core.errors import ChaoslabError
from chaoslab.core.spec import parse_spec
from chaoslab.engine.opening import Wishes
from chaoslab.engine.runner import run_exercise
from chaoslab.engine.variables import given_of


def chaos_run(file: str) -> int:
    """Run `chaos run FILE` with the modules that lie next to the file."""
    sys.path.insert(0, str(Path(file).parent))
    options = ["--no-version-check", "--no-log-file", "--settings", str(Path(file).parent / "settings.yaml")]
    code: int | None = chaostoolkit.cli.cli.main(args=[*options, "run", file], prog_name="chaos")
    return code or 0


def ours_with_values(file: str, values: str) -> int:
    """Run a file as `chaoslab run --var-file VALUES` does."""
    return ours(file, values=(Path(values),))


def ours(file: str, *pairs: str, values: tuple[Path, ...] = ()) -> int:
    """Run a file as `chaoslab run` does; reports, state and told events lie next to it."""
    folder = Path(file).parent
    told = (folder / "told.jsonl").open("a", buffering=1)
    outcome = run_exercise(
        parse_spec(Path(file).read_bytes(), file),
        given_of(pairs, values),
        Wishes(reports=folder / "reports", state=folder / "state"),
        tell=lambda event: told.write(json.dumps(event) + "\n") and None,
    )
    return outcome.exit_code


def ours_in_little_room(file: str, size: str) -> int:
    """Run a file as `chaoslab run` does where no file may grow beyond a size in bytes."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(size), resource.RLIM_INFINITY))
    try:
        return ours(file)
    except ChaoslabError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
