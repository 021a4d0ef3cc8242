"""Run the restore drill as a person does, and read its report; make dumps as somebody else does."""

import json
import subprocess
import sys
from pathlib import Path


class Report:
    """What one run came to."""

    def __init__(self, done, data):
        self.exit_code = done.returncode
        self.stdout, self.stderr = done.stdout, done.stderr
        self.data = data

    @property
    def outcome(self):
        return self.data["outcome"]

    @property
    def objectives(self):
        return {one["name"]: one for one in self.data["objectives"]}

    def findings(self, severity="failure"):
        return {(one["code"], one["where"]) for one in self.data["findings"] if one["severity"] == severity}

    def codes(self, severity="failure"):
        return {code for code, _ in self.findings(severity)}

    def __repr__(self):
        lines = [f"{self.outcome} (exit {self.exit_code})"]
        lines += [
            f"{one['severity']} {one['code']} at {one['where']}: {one['message']}" for one in self.data["findings"]
        ]
        lines += [f"step {one['name']} {one['outcome']}: {one['error']}" for one in self.data["steps"] if one["error"]]
        return "\n".join([*lines, self.stderr[-2000:]])


def command_of(file, folder, variables):
    """Return the command line of a drill."""
    start = "import sys; from chaoslab.cli.main import main; sys.exit(main())"
    command = [sys.executable, "-c", start, "run", file, "--json", "--reports", str(folder)]
    return command + [word for variable in variables for word in ("--var", variable)]


def run_drill(folder, *variables, file="postgres-restore", timeout=400, **options):
    """Run `chaoslab run postgres-restore` in a process of its own."""
    command = command_of(file, folder, variables)
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False, **options)
    assert "Traceback" not in done.stderr, done.stderr
    try:
        return Report(done, json.loads(done.stdout))
    except ValueError:
        raise AssertionError(f"no report: exit {done.returncode}\n{done.stdout}\n{done.stderr}") from None


def dump(binaries, dsn, path, *options, form="custom"):
    """Dump a database and its roles as a nightly script does: no manifest."""
    path = Path(path)
    run([binaries.program("pg_dump"), f"--format={form}", *options, f"--file={path}", f"--dbname={dsn}"])
    roles = path.parent / f"{path.name.split('.')[0]}.globals.sql"
    run([binaries.program("pg_dumpall"), "--globals-only", "--no-role-passwords", f"--file={roles}", f"--dbname={dsn}"])
    return path


def run(command):
    """Run a program that must succeed."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
