"""Leave something behind on purpose, and print as JSON what the comparison of states says of it.

Usage: torture_leftover.py FOLDER PROGRAM ARGUMENT...   in namespaces of its own; exits 3 where the kernel has none.
"""

import json
import os
import subprocess
import sys

from torture_machine import Machine, adopt_orphans, differences, enter_namespaces


def main():
    folder, command = sys.argv[1], sys.argv[2:]
    adopt_orphans()
    if why := enter_namespaces():
        sys.stderr.write(why)
        return 3
    machine = Machine(places=[folder])
    before = machine.look()
    assert differences(before, machine.look()) == [], "nothing was done, and nothing may differ"
    subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL)
    print(json.dumps(differences(before, machine.look())))
    for line in machine.processes():
        os.kill(int(line.rpartition("[")[2].partition("]")[0]), 9)
    return 0


if __name__ == "__main__":
    sys.exit(main())
