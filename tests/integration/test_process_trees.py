"""A tree is stopped as a whole and continued exactly; a supervised process is ended and its successor awaited."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from waiting import until

from chaoslab.core.errors import BadUsage, NoSession, Refused
from chaoslab.core.record import record_of
from chaoslab.process import tree as trees
from chaoslab.process.actions import KILL, PAUSE, kill, pause
from chaoslab.process.proc import thread_states
from chaoslab.process.supervised import restart
from chaoslab.runtime.fault import pin_of
from chaoslab.runtime.identity import identify, state_of
from chaoslab.runtime.runlog import read_events
from chaoslab.runtime.session import Session

FAMILY = """
import os, sys, time
for _ in range(2):
    if os.fork() == 0:
        if os.fork() == 0:
            pass
        break
with open(sys.argv[1], "a") as file: file.write(f"{os.getpid()}\\n")
time.sleep(60)
"""
FORKER = """
import os, sys, time
# Every process has a child and ends when that has one: the family never stands in one place.
signal = __import__("signal"); signal.signal(signal.SIGCHLD, signal.SIG_IGN)
while True:
    if os.fork() == 0:
        time.sleep(0.05); os._exit(0)
    time.sleep(0.001)
"""


@pytest.fixture
def session(tmp_path):
    made = Session("trees", tmp_path / "run", state=tmp_path / "state")
    made.start({"id": "trees"})
    yield made
    made.close("completed")


@pytest.fixture
def family(tmp_path):
    """A process, its two children and their two: five pids, the root first."""
    file = tmp_path / "family"
    root = subprocess.Popen([sys.executable, "-c", FAMILY, str(file)])
    until(lambda: file.exists() and len(file.read_text().split()) == 5, "all five are there")
    pids = [root.pid, *(int(pid) for pid in file.read_text().split() if int(pid) != root.pid)]
    members = [identify(pid) for pid in pids]
    yield members
    for member in members:
        if member.is_alive():
            os.kill(member.pid, signal.SIGKILL)
    root.wait()


def stand(members):
    return [thread_states(member.pid) == {"T"} for member in members]


def test_a_tree_stands_as_a_whole_and_goes_on_as_a_whole(family, session):
    pause(pid=family[0].pid, tree="yes")
    assert all(stand(family))
    assert session.undo() == []
    assert not any(stand(family))


def test_without_tree_the_children_go_on(family, session):
    pause(pid=family[0].pid)
    assert stand(family) == [True, False, False, False, False]


def test_who_was_stopped_before_by_somebody_else_stays_so(family, session):
    os.kill(family[-1].pid, signal.SIGSTOP)
    until(lambda: stand(family)[-1], "it is stopped")
    pause(pid=family[0].pid, tree="yes")
    assert all(stand(family))
    assert session.undo() == []
    assert stand(family) == [False, False, False, False, True]


def test_orphans_of_a_stopped_parent_are_found_again(family, session):
    pause(pid=family[0].pid, tree="yes")
    os.kill(family[0].pid, signal.SIGKILL)
    until(lambda: state_of(family[0].pid) in {"Z", ""}, "their parent is dead")
    assert session.undo() == []
    assert not any(stand(family[1:]))


def test_what_was_noted_but_not_stopped_any_more_is_harmless(family, tmp_path):
    """The runner died between the note and the signal; half a line is that of a crash."""
    data = pin_of(pause)(pid=family[0].pid, tree="yes").data
    notes = tmp_path / "notes"
    notes.write_text(f"{family[1].pid} {family[1].started} {family[1].boot}\n{family[2].pid} 1")
    PAUSE.undo({**data, "notes": str(notes)})
    assert not any(stand(family))
    assert not notes.exists()


def test_nobody_slips_away_by_forking(session):
    """A process that forks all the time, with many short-lived children: once it stands, nobody new comes."""
    root = subprocess.Popen([sys.executable, "-c", FORKER])
    try:
        identity = identify(root.pid)
        until(lambda: len(trees.descendants_of([identity])) > 3, "it forks")
        pause(pid=root.pid, tree="yes")
        before = {one.pid for one in trees.descendants_of([identity])}
        time.sleep(0.2)
        assert {one.pid for one in trees.descendants_of([identity])} == before
        assert trees.all_stand([identity])
        assert session.undo() == []
        until(lambda: {one.pid for one in trees.descendants_of([identity])} != before, "it forks again")
    finally:
        root.kill()
        root.wait()


def test_a_tree_is_killed_as_a_whole(family, session):
    kill(pid=family[0].pid, tree="yes")
    assert not any(member.is_alive() for member in family)
    assert list((session.state / "stopped").iterdir()) == []


def test_a_tree_that_is_asked_to_end_goes_on_to_hear_it(family, session):
    kill(pid=family[0].pid, signal="SIGTERM", tree="yes")
    assert not any(member.is_alive() for member in family)


def test_a_runner_that_died_in_the_midst_of_killing_a_tree_leaves_nobody_standing(family):
    data = pin_of(kill)(pid=family[0].pid, tree="yes").data
    notes = Path(data["notes"])
    trees.stop([family[0]], notes)
    KILL.undo(data)
    assert not any(stand(family))
    assert not notes.exists()


@pytest.fixture
def supervised(tmp_path):
    """A process that a supervisor keeps running; its pid file."""
    pid_file = tmp_path / "child.pid"
    words = [sys.executable, "-m", "chaoslab.lab.supervisor", "--pid-file", str(pid_file), "--"]
    words += [sys.executable, "-c", "import time; time.sleep(60)", f"child-of-{os.getpid()}-{tmp_path.name}"]
    supervisor = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    until(pid_file.exists, "it runs")
    yield {"pid_file": str(pid_file), "supervisor": supervisor, "command": rf"^\S+ -c .* {words[-1]}$"}
    supervisor.terminate()
    supervisor.send_signal(signal.SIGCONT)
    supervisor.wait()


def record(session):
    return record_of(read_events(session.folder / "events.jsonl"))


@pytest.mark.parametrize("by", ["pid_file", "command"])
@pytest.mark.parametrize("number", ["SIGKILL", "SIGTERM"])
def test_the_time_to_the_next_process_is_measured(supervised, session, by, number):
    old = int(Path(supervised["pid_file"]).read_text().split()[0])
    told = restart(**{by: supervised[by]}, signal=number)
    assert told["pids"] == [old]
    [new] = told["restarted"]
    assert new != old
    low, high = told["restart_s"]
    assert 0 <= low < high
    assert high >= 0.1, "its supervisor waits 0.2 s"
    assert json.loads(json.dumps(told))
    found = record(session)
    assert found.figures["restart_s"]["value"] == [low, high]
    assert [fault.effective for fault in found.faults] == [True]
    assert found.findings == ()
    assert session.open_entries() == []


def test_a_process_that_nobody_starts_again_is_a_finding(supervised, session):
    supervised["supervisor"].send_signal(signal.SIGSTOP)
    told = restart(pid_file=supervised["pid_file"], within="500ms")
    assert told["restart_s"] is None
    [finding] = record(session).findings
    assert (finding.code, finding.severity) == ("process-not-restarted", "failure")


def test_only_a_new_process_counts(tmp_path, session):
    """Two alike run; one is ended, and the other one is nobody's successor."""
    mark = f"twin-of-{os.getpid()}-{tmp_path.name}"
    twins = [subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", mark]) for _ in range(2)]
    try:
        told = restart(command=mark, which="oldest", within="300ms")
        assert told["restarted"] == []
    finally:
        for twin in twins:
            twin.kill()
            twin.wait()
    assert [finding.code for finding in record(session).findings] == ["process-not-restarted"]


def test_restart_refuses_outside_a_run_and_what_makes_no_sense(supervised):
    with pytest.raises(NoSession):
        restart(pid_file=supervised["pid_file"])
    with pytest.raises(BadUsage, match="within: must be above 0s and at most 10m"):
        pin_of(restart)(pid_file=supervised["pid_file"], within="0s")
    with pytest.raises(BadUsage, match="give either pid_file"):
        pin_of(restart)()
    with pytest.raises(Refused, match="cannot read the pid file"):
        pin_of(restart)(pid_file="/nowhere")
