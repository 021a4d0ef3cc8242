"""A runner under test: strikes one fault in a session, tells, and waits. It can kill itself right after a chosen write.

Its only argument is JSON: folder, action (`module:function`), arguments, and `die_after`, a kind of line of the undo
ledger (`ledger:intended`) or of the run log (`log:fault-injected`); '' lets it live.
"""

import importlib
import json
import os
import signal
import sys
import time
from pathlib import Path

from chaoslab.runtime.ledger import UndoLedger
from chaoslab.runtime.runlog import RunLog
from chaoslab.runtime.session import Session

order = json.loads(sys.argv[1])


def die_after(owner, method, kind_of):
    """Have the process killed by SIGKILL as soon as a line of the wanted kind is written."""
    write = getattr(owner, method)

    def write_and_die(self, *args, **kwargs):
        write(self, *args, **kwargs)
        if kind_of(args) == wanted:
            os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, method, write_and_die)


place, _, wanted = order["die_after"].partition(":")
if place == "ledger":
    die_after(UndoLedger, "_append", lambda args: args[0]["kind"])
elif place == "log":
    die_after(RunLog, "append", lambda args: args[0])

folder = Path(order["folder"])
session = Session("contract", folder / "run", state=folder / "state")
session.start({"id": "contract"})
module, _, name = order["action"].partition(":")
getattr(importlib.import_module(module), name)(**order["arguments"])
print("struck", flush=True)
time.sleep(60)
