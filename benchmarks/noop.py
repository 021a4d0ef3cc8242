"""What the gate, the run log, the judge and the report cost: an experiment that does nothing, run by both commands."""

import json
import sys
import tempfile
from pathlib import Path

from _harness import command, paired, table

BIN = Path(sys.executable).parent
NOTHING = {"type": "python", "module": "os", "func": "getpid"}
EXPERIMENT = {
    "title": "Nothing happens",
    "description": "An empty probe before and after an empty action.",
    "steady-state-hypothesis": {
        "title": "There is a process",
        "probes": [
            {"type": "probe", "name": "pid", "tolerance": {"type": "range", "range": [1, 2**31]}, "provider": NOTHING}
        ],
    },
    "method": [{"type": "action", "name": "nothing", "provider": NOTHING}],
    "rollbacks": [],
}


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = folder / "nothing.json"
        file.write_text(json.dumps(EXPERIMENT))
        row = paired(
            "no-op experiment: `chaoslab run` / `chaos run`",
            command([BIN / "chaoslab", "run", file], folder=folder),
            command([BIN / "chaos", "run", file], folder=folder),
            runs=11,
            goal=1.2,
        )
    print(table([row]))


if __name__ == "__main__":
    main()
