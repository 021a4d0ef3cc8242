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

BOOTS = 2
"""So many machines at a time: each has one processor, and most tests wait."""
_booted = {}


def goes_inside(item):
    return HERE in item.path.parents and item.get_closest_marker("netem") and not os.environ.get(INSIDE)


def has_to_boot():
    return os.geteuid() == 0 and not has_netem() and shutil.which("linux.uml")


def pytest_collection_modifyitems(items):
    """Let the tests of User-Mode Linux come last: it runs them while the others run here."""
    if has_to_boot():
        items.sort(key=lambda item: bool(goes_inside(item)))
    elif os.geteuid() == 0 and not has_netem():
        skip = pytest.mark.skip(reason="neither this kernel has netem nor is there linux.uml")
        for item in filter(goes_inside, items):
            item.add_marker(skip)


def pytest_collection_finish(session):
    if session.config.option.collectonly or not has_to_boot():
        return
    for share in shares([item for item in session.items if goes_inside(item)]):
        machine = Inside(share)
        _booted.update(dict.fromkeys((item.nodeid for item in share), machine))


def shares(items):
    """Cut the tests into one share for each machine, a file as a whole, for its tests share what they set up."""
    files = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    cut = [[] for _ in range(BOOTS)]
    for file in sorted(files.values(), key=weight, reverse=True):
        min(cut, key=weight).extend(file)
    return [share for share in cut if share]


def weight(items):
    """Return how long some tests take, roughly: those of a lab, with servers, much longer."""
    return sum(5 if item.get_closest_marker("postgres") else 1 for item in items)


def pytest_unconfigure():
    for machine in set(_booted.values()):
        machine.stop()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item, nextitem):
    if item.nodeid not in _booted:
        return None
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for report in _booted[item.nodeid].reports(item):
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    item.session._setupstate.teardown_exact(nextitem)  # what the test before this one has set up for its neighbours
    return True
