"""What the lane shares. Where this machine's kernel has no netem, tests marked `netem` run in User-Mode Linux."""

import os
import shutil
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
CONTRACT = HERE.parent / "contract"
sys.path[:0] = [str(HERE / "support"), str(CONTRACT), str(CONTRACT / "support")]
pytest.register_assert_rewrite("conformance")

from inside import INSIDE, Inside  # noqa: E402 - found only now

from chaoslab.network.kernel import has_netem  # noqa: E402

_booted = []


def goes_inside(item):
    return HERE in item.path.parents and item.get_closest_marker("netem") and not os.environ.get(INSIDE)


def pytest_collection_modifyitems(items):
    if os.geteuid() != 0 or has_netem() or shutil.which("linux.uml"):
        return
    skip = pytest.mark.skip(reason="neither this kernel has netem nor is there linux.uml")
    for item in items:
        if goes_inside(item):
            item.add_marker(skip)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item, nextitem):
    if not goes_inside(item) or has_netem() or not shutil.which("linux.uml"):
        return None
    if not _booted:
        _booted.append(Inside([other for other in item.session.items if goes_inside(other)]))
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for report in _booted[0].reports(item):
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    item.session._setupstate.teardown_exact(nextitem)  # what the test before this one has set up for its neighbours
    return True
