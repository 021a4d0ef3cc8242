"""Run tests inside User-Mode Linux, all in one boot, and report each here as if it had run here."""

import os
import signal
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from pathlib import Path

from _pytest.reports import TestReport

ROOT = Path(__file__).parents[3]
BOOT = Path(__file__).parents[1] / "uml" / "boot"
INSIDE = "CHAOSLAB_TESTS_INSIDE"
DEADLINE_S = 1800


class Inside:
    """One boot, which runs its tests from now on, and their results by the names that JUnit gives to them."""

    def __init__(self, items):
        self._folder = tempfile.TemporaryDirectory(prefix="chaoslab-uml-junit-")
        self._junit, self._told = Path(self._folder.name, "junit.xml"), Path(self._folder.name, "told")
        self._results = None
        names = [item.nodeid for item in items]
        pytest_words = ["-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junit-xml={self._junit}", *names]
        # The interpreter itself: what stands in the environment's `bin` may be slow to find out where it is.
        words = [BOOT, "env", f"{INSIDE}=1", "PYTHONDONTWRITEBYTECODE=1", sys.executable, *pytest_words]
        if any(item.get_closest_marker("catalog") for item in items):
            # An experiment judges how soon a service answers: it must not wait for the lane beside it.
            words = ["nice", "-n", "-15", *words]
        environment = os.environ | {"UML_DEADLINE_S": str(DEADLINE_S)}
        with self._told.open("w") as told:
            self._machine = subprocess.Popen(
                words, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=told, stderr=told, process_group=0
            )

    @property
    def _cases(self):
        if self._results is None:
            self._machine.wait()
            cases = ET.parse(self._junit).getroot().iter("testcase") if self._junit.exists() else ()
            self._results = {(case.get("classname"), case.get("name")): case for case in cases}
        return self._results

    def stop(self):
        """End the machine, if the tests were given up, and forget what it said."""
        if self._machine.poll() is None:
            os.killpg(self._machine.pid, signal.SIGTERM)
            self._machine.wait()
        self._folder.cleanup()

    def reports(self, item):
        """Yield the reports of one test, made from what JUnit says of it."""
        case = self._cases.get(_name(item.nodeid))
        for when in ("setup", "call", "teardown"):
            outcome, told, taken_s = self._outcome(case, when)
            if when == "setup" and outcome != "passed":
                yield _report(item, when, outcome, told, taken_s)
                yield _report(item, "teardown", "passed", None, 0.0)
                return
            yield _report(item, when, outcome, told, taken_s)

    def _outcome(self, case, when):
        if case is None:
            said = self._told.read_text(errors="replace")[-5000:]
            told = f"it has no result inside User-Mode Linux; what was said there:\n{said}"
            return ("failed", told, 0.0) if when == "call" else ("passed", None, 0.0)
        taken_s = float(case.get("time", 0)) if when == "call" else 0.0
        bad, skipped = case.find({"call": "failure", "setup": "error"}.get(when, "none")), case.find("skipped")
        if bad is not None:
            return "failed", f"inside User-Mode Linux:\n{bad.text}", taken_s
        if skipped is not None and when == "setup":
            return "skipped", (str(BOOT), 0, skipped.get("message", "")), taken_s
        return "passed", None, taken_s


def _name(nodeid):
    """Return the class and the name that JUnit gives to a test."""
    path, *rest = nodeid.split("::")
    module = path.removesuffix(".py").replace("/", ".")
    return ".".join([module, *rest[:-1]]), rest[-1]


def _report(item, when, outcome, told, taken_s):
    keywords = dict.fromkeys(item.keywords, 1)
    return TestReport(item.nodeid, item.location, keywords, outcome, told, when, duration=taken_s)
