"""Run the restore drill as a person does, and read its report; make dumps as somebody else does."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from chaoslab.runtime.identity import state_of


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
    return report_of(subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False, **options))


def report_of(done):
    """Return the report that a run has printed."""
    assert "Traceback" not in done.stderr, done.stderr
    try:
        return Report(done, json.loads(done.stdout))
    except ValueError:
        raise AssertionError(f"no report: exit {done.returncode}\n{done.stdout}\n{done.stderr}") from None


class Started:
    """A drill at work, to be disturbed at a certain moment; it has the test's state folder."""

    def __init__(self, file, folder, *variables):
        self.folder = folder
        command = command_of(file, folder, variables)
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def events(self):
        for path in self.folder.glob("*/events.jsonl"):
            for line in path.read_text().splitlines():
                try:
                    yield json.loads(line)
                except ValueError:
                    return

    def wait_for(self, true, what="that moment", within_s=240):
        until_s = time.monotonic() + within_s
        while not true():
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < until_s, f"the drill did not come to {what}"
            time.sleep(0.01)

    def wait_for_step(self, step):
        def begun():
            return any(one["kind"] == "step-started" and one["name"] == step for one in self.events())

        self.wait_for(begun, f"step {step}")

    def kill(self):
        self.process.kill()
        self.process.communicate()

    def end(self, within_s=240):
        stdout, stderr = self.process.communicate(timeout=within_s)
        return report_of(subprocess.CompletedProcess([], self.process.returncode, stdout, stderr))


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


def at_work_in(folder, program=""):
    """Return the process ids of those that name a folder on their command line, of one program only if it is given."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue  # it has ended
        named = any(os.fsencode(folder) in word for word in words)
        if named and program in ("", os.fsdecode(words[0]).rpartition("/")[2]) and is_alive(int(entry.name)):
            found.append(int(entry.name))
    return found


def is_alive(pid):
    return state_of(pid) not in {"", "Z"}
