"""Play one rollback of a file, read as JSON from stdin: `python -m chaoslab.engine.playing`.

Exits non-zero, with the reason on stderr, when the rollback did not succeed.
"""

import json
import os
import sys
from typing import Any

from chaoslib.activity import run_activity
from chaoslib.exceptions import ChaosException
from chaoslib.secret import load_secrets

from chaoslab.core.errors import ChaoslabError
from chaoslab.engine.chaoslog import stand_in_for_logzero
from chaoslab.engine.outcomes import OK, answer_of
from chaoslab.engine.variables import secrets_of_files


def main() -> int:
    """Play what stdin says; return the exit code."""
    data = json.load(sys.stdin)
    sys.path[:] = [*data["path"], *(entry for entry in sys.path if entry not in data["path"])]
    os.environ.update(data["environment"])
    stand_in_for_logzero()
    try:
        return _play(data)
    except (ChaosException, ChaoslabError, OSError, TypeError) as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 1


def _play(data: dict[str, Any]) -> int:
    activity = data["activity"]
    given = secrets_of_files(data["secret_files"])
    secrets = load_secrets(data["secrets"], data["configuration"], given)
    answer = answer_of(activity, run_activity(activity, data["configuration"], secrets))
    if answer != OK:
        sys.stderr.write(f"{answer.error}\n")
    return 0 if answer == OK else 1


if __name__ == "__main__":
    sys.exit(main())
