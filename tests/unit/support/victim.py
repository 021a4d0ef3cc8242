"""A runner to be killed: injects file faults, says so, and waits. Arguments: folder, time-to-live, how."""

import os
import sys
import time
from pathlib import Path

import filefault

from chaoslab.runtime.session import Session

folder, ttl_s, how = Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
os.chdir(folder)
session = Session("victim", Path("run"))  # as most people say it: relative to where they are
session.start({"id": "victim"})
for name in ("first", "second"):
    filefault.make(str(folder / name), how=how, ttl_s=ttl_s)
print("injected", flush=True)
time.sleep(60)
