"""docs/check.md and the code agree on every code and its severities; what is known of extensions makes sense."""

import re
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent / "support"))

from chaoslab.core.checks import known
from chaoslab.core.checks.codes import DANGERS, UNUSABLE
from chaoslab.core.checks.finding import SEVERITIES

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "check.md").read_text()
SOURCES = [
    *(path for path in (ROOT / "chaoslab" / "core").glob("*.py") if path.name != "plan.py"),
    *(ROOT / "chaoslab" / "core" / "checks").glob("*.py"),
    ROOT / "chaoslab" / "cli" / "check.py",
    ROOT / "chaoslab" / "engine" / "modules.py",
]
OF_THE_PLAN = {"no-program"}


def test_every_danger_is_told_with_its_severities():
    rows = re.findall(r"^\| `([a-z-]+)` \| ((?:error|warning|note)[a-z, ]*) \|", PAGE, flags=re.MULTILINE)
    assert {code: tuple(severities.split(", ")) for code, severities in rows} == dict(DANGERS)
    assert all(set(severities) <= set(SEVERITIES) for severities in DANGERS.values())


def test_every_reason_not_to_run_is_told():
    table = PAGE.partition("### What cannot be run at all")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `([a-z-]+)` \|", table, flags=re.MULTILINE)) == UNUSABLE


def test_every_code_in_the_code_is_listed_and_every_listed_code_is_there():
    text = "\n".join(path.read_text() for path in SOURCES if path.name != "codes.py")
    said = set(re.findall(r"""(?:Told|wrong|doubt|_problem|Problem|error)\([^"]*?"([a-z]+(?:-[a-z]+)+)",""", text))
    assert said - OF_THE_PLAN <= set(DANGERS) | UNUSABLE, said - set(DANGERS) - UNUSABLE
    absent = [code for code in (*DANGERS, *UNUSABLE) if f'"{code}"' not in text]
    assert absent == []


@pytest.mark.parametrize("name", sorted(known.known_names()))
def test_what_is_known_of_an_action_is_whole(name):
    entry = known.known_function(name)
    assert entry is not None
    assert entry.effect in ("lasting", "momentary", "bounded", "gone", "undo", "scratch", "look")
    assert entry.what or entry.effect == "look"
    assert bool(entry.hits) == bool(entry.narrow)
    for undo in entry.undo:
        assert known.known_function(undo) is not None, f"{name} is undone by {undo}, of which nothing is known"


def test_programs_are_known_by_their_command():
    for command, effect in {
        "kubectl get pods": "look",
        "kubectl -n shop scale deploy/api --replicas=0": "lasting",
        "kubectl delete pod api-1": "momentary",
        "kubectl delete deployment api": "gone",
        "docker pause web": "lasting",
        "docker unpause web": "undo",
        "systemctl stop nginx": "lasting",
        "systemctl start nginx": "undo",
        "kill -STOP 5": "lasting",
        "kill -CONT 5": "undo",
        "pkill -9 nginx": "momentary",
        "stress-ng --cpu 2": "bounded",
        "tc qdisc del dev eth0 root": "undo",
    }.items():
        found = known.known_command(command)
        assert found is not None, command
        assert found.effect == effect, command
    assert known.known_command("./do-something.sh --now") is None
