"""The main process of a systemd unit, as systemd itself says."""

import subprocess
from pathlib import Path

from chaoslab.core.errors import Refused
from chaoslab.process.target import of_pid
from chaoslab.process.vital import GUARD
from chaoslab.runtime.identity import ProcessIdentity

_DEADLINE_S = 10.0
_USER = "user:"


def main_process(unit: str) -> ProcessIdentity:
    """Return the main process of a unit: `nginx.service`, or `user:sync.service` of this user's own systemd.

    Raises:
        Refused: systemd does not run or does not answer, the unit is not loaded, or has no process now.
    """
    name = unit.removeprefix(_USER)
    told = _show(name, of_user=unit.startswith(_USER))
    if told.get("LoadState") != "loaded":
        raise Refused(GUARD, f"systemd knows no unit {name}: its load state is {told.get('LoadState') or 'unknown'}")
    pid = int(told.get("MainPID") or 0)
    if pid == 0:
        raise Refused(GUARD, f"the unit {name} has no main process: it is {told.get('ActiveState') or 'unknown'}")
    return of_pid(pid, said_by=f", of which systemd says that it is the unit {name}")


def _show(name: str, *, of_user: bool) -> dict[str, str]:
    if not Path("/run/systemd/system").is_dir():
        raise Refused(
            GUARD, f"systemd does not run here, so the unit {name} names nothing; give pid_file, name or port"
        )
    command = ["systemctl", *(["--user"] if of_user else []), "show", "--property=MainPID,LoadState,ActiveState"]
    try:
        shown = subprocess.run([*command, "--", name], capture_output=True, text=True, check=False, timeout=_DEADLINE_S)
    except FileNotFoundError as error:
        raise Refused(GUARD, "systemd runs here, but there is no systemctl on the path to ask it") from error
    except subprocess.TimeoutExpired as error:
        raise Refused(GUARD, f"systemctl did not answer within {_DEADLINE_S:g} s") from error
    if shown.returncode != 0:
        raise Refused(GUARD, f"systemctl: {shown.stderr.strip() or f'exit code {shown.returncode}'}")
    return dict(line.split("=", 1) for line in shown.stdout.splitlines() if "=" in line)
