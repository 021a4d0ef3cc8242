"""Start-up: what a person waits for before anything happens, against the same of Chaos Toolkit's own command."""

import sys
from pathlib import Path

from _harness import command, paired, table

BIN = Path(sys.executable).parent


def main() -> None:
    """Print the table."""
    row = paired(
        "`chaoslab --help` / `chaos --version`",
        command([BIN / "chaoslab", "--help"]),
        command([BIN / "chaos", "--version"]),
        runs=15,
        goal=0.75,
    )
    print(table([row]))


if __name__ == "__main__":
    main()
