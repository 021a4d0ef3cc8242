"""Ways to start a run that the zygote can be told to take."""

from __future__ import annotations

import sys
from pathlib import Path

import chaostoolkit.cli


def chaos_run(file: str) -> int:
    """Run `chaos run FILE` with the modules that lie next to the file."""
    sys.path.insert(0, str(Path(file).parent))
    options = ["--no-version-check", "--no-log-file", "--settings", str(Path(file).parent / "settings.yaml")]
    code: int | None = chaostoolkit.cli.cli.main(args=[*options, "run", file], prog_name="chaos")
    return code or 0
