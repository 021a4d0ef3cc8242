"""Run tests inside User-Mode Linux, all in one boot, and report each here as if it had run here."""

import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from pathlib import Path

from _pytest.reports import TestReport

ROOT = Path(__file__).parents[3]
BOOT = Path(__file__).parents[1] / "uml" / "boot"
INSIDE = "CHAOSLAB_TESTS_INSIDE"
DEADLINE_S = 600


class Inside:
    """The results of one boot, by the names that JUnit gives to tests."""

    def __init__(self, items):
        self._console = ""
        with tempfile.TemporaryDirectory(prefix="chaoslab-uml-junit-") as folder:
            junit = Path(folder, "junit.xml")
            self._boot([item.nodeid for item in items], junit)
            self._cases = ET.parse(junit).getroot().iter("testcase") if junit.exists() else ()
            self._cases = {(case.get("classname"), case.get("name")): case for case in self._cases}

    def _boot(self, names, junit):
        pytest_words = ["-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junit-xml={junit}", *names]
        # The interpreter itself: what stands in the environment's `bin` may be slow to find out where it is.
        environment = os.environ | {"UML_DEADLINE_S": str(DEADLINE_S)}
        words = [BOOT, "env", f"{INSIDE}=1", "PYTHONDONTWRITEBYTECODE=1", sys.executable, *pytest_words]
        done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        self._console = f"{done.stdout}\n{done.stderr}"

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
            told = f"it has no result inside User-Mode Linux; what was said there:\n{self._console[-5000:]}"
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
