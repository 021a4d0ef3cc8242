"""`chaoslab undo` on ledgers of other versions and on damaged ones: what is legible is undone, and the rest is told."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SUPPORT = Path(__file__).parent / "support"
KEPT = sorted((SUPPORT / "ledgers").glob("*.jsonl"))
"""Ledgers as versions of chaoslab have written them. A new version adds its own and keeps these."""


class Left:
    """A state folder with one ledger of a run that is dead, and the two files that it left."""

    def __init__(self, folder):
        self.folder, self.state = folder, folder / "chaoslab"
        self.ledger = self.state / "ledger" / "kept.jsonl"
        self.ledger.parent.mkdir(parents=True)
        self.write(KEPT[-1].read_text())
        for name in ("one", "two", "three"):
            (folder / name).touch()

    def write(self, text):
        self.ledger.write_text(text.replace("FOLDER", str(self.folder)))

    def lines(self):
        return self.ledger.read_bytes().splitlines(keepends=True)

    def types(self, *words, prefix=()):
        variables = os.environ | {"XDG_STATE_HOME": str(self.folder), "PYTHONPATH": str(SUPPORT), "NO_COLOR": "1"}
        command = [*prefix, sys.executable, "-m", "chaoslab", *words]
        done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=240, check=False)
        assert "Traceback" not in done.stderr
        assert not (self.state / "crashes").exists(), done.stderr
        return done

    def undone(self):
        return not (self.folder / "one").exists() and not (self.folder / "two").exists()


@pytest.fixture
def left(tmp_path):
    return Left(tmp_path)


@pytest.mark.parametrize("kept", KEPT, ids=[path.stem for path in KEPT])
def test_a_ledger_of_every_version_so_far_is_undone(left, kept):
    left.write(kept.read_text())
    done = left.types("undo", "--json")
    assert done.returncode == 0, done.stderr
    assert [entry["entry"] for entry in json.loads(done.stdout)["undone"]] == [2, 1]
    assert left.undone()
    assert (left.folder / "three").exists(), "undone before: not touched again"
    assert not left.ledger.exists()


JUNK = {
    "words": b"not json",
    "array": b"[1]",
    "null": b"null",
    "empty object": b"{}",
    "intent without anything": b'{"kind": "intended"}',
    "intent without data": b'{"kind": "intended", "number": 4, "undo": 7, "data": []}',
    "unknown kind": b'{"kind": "flown"}',
    "random": os.urandom(64).replace(b"\n", b""),
    "zeros": b"\0" * 512,
    "deep": b"[" * 100000,
}


@pytest.mark.parametrize("junk", JUNK.values(), ids=JUNK)
def test_a_line_that_cannot_be_read_is_told_with_its_place_and_the_rest_is_undone(left, junk):
    lines = left.lines()
    left.ledger.write_bytes(b"".join([*lines[:2], junk + b"\n", *lines[2:]]))
    done = left.types("undo", "--json")
    assert done.returncode == 13
    told = json.loads(done.stdout)
    assert [entry["entry"] for entry in told["undone"]] == [2, 1]
    assert left.undone()
    assert [line["line"].startswith(f"{left.ledger}:3: ") for line in told["illegible"]] == [True]
    assert left.ledger.exists(), "what nobody could read is not thrown away"
    again = left.types("undo")
    assert (again.returncode, len(again.stderr.splitlines())) == (13, 1)
    assert f"{left.ledger}:3: " in again.stdout
    assert "remove the file by hand" in again.stderr


def test_a_torn_last_line_was_never_acted_on(left):
    whole = left.ledger.read_bytes()
    left.ledger.write_bytes(whole + b'{"kind": "intended", "number": 4, "na')
    assert left.types("undo").returncode == 0
    assert left.undone()


@pytest.mark.parametrize("text", ["", "\n", '{"kind": "inten'], ids=["empty", "blank", "torn"])
def test_a_ledger_without_its_first_line_is_residue(left, text):
    left.ledger.write_text(text)
    done = left.types("undo")
    assert done.returncode == 13
    assert f"{left.ledger}:1: it has no readable first line" in done.stdout


def test_without_its_first_line_the_others_are_undone_all_the_same(left):
    left.ledger.write_bytes(b"".join(left.lines()[1:]))
    assert left.types("undo").returncode == 13
    assert left.undone()


def test_a_later_version_is_not_guessed_at(left):
    left.write(KEPT[-1].read_text().replace('"version": 1', '"version": 2'))
    done = left.types("undo")
    assert done.returncode == 13
    assert "version 2 of the ledger" in done.stdout
    assert not left.undone()


@pytest.mark.parametrize(
    ("undo", "told"),
    [
        ("chaoslab.gone.actions:vanish", "cannot load the undo chaoslab.gone.actions:vanish"),
        ("filefault:nothing", "cannot load the undo filefault:nothing"),
        ("needs_an_extra:action", "No module named 'a_package_that_is_absent'; install what brings"),
        ("breaks_on_import:action", "cannot load the undo breaks_on_import:action: it broke"),
        ("", "cannot load the undo"),
    ],
    ids=["no-module", "no-function", "no-extra", "import-breaks", "no-name"],
)
def test_an_undo_that_cannot_be_loaded_is_residue_with_a_clear_sentence(left, tmp_path, undo, told):
    (tmp_path / "needs_an_extra.py").write_text("import a_package_that_is_absent")
    (tmp_path / "breaks_on_import.py").write_text("raise RuntimeError('it broke')")
    left.write(KEPT[-1].read_text().replace('"undo": "filefault:make"', f'"undo": "{undo}"', 1))
    done = left.types("undo", prefix=["env", f"PYTHONPATH={SUPPORT}:{tmp_path}"])
    assert done.returncode == 13
    assert told in done.stdout
    assert not (left.folder / "two").exists(), "the other one is undone"


def test_what_is_not_installed_is_asked_for_once_an_entry_and_told_in_a_line_each(left, tmp_path):
    (tmp_path / "gone.py").write_text(
        f"open({str(tmp_path / 'asked')!r}, 'a').write('x')\nimport a_package_that_is_absent"
    )
    first, second = left.lines()[:2]
    intents = [second.replace(b'"number": 1', b'"number": %d' % number) for number in range(1, 201)]
    left.ledger.write_bytes(first + b"".join(intents).replace(b"filefault:make", b"gone:make"))
    done = left.types("undo", prefix=["env", f"PYTHONPATH={SUPPORT}:{tmp_path}"])
    assert done.returncode == 13
    assert len(done.stdout.splitlines()) == 200
    assert all(": cannot load the undo gone:make: No module named" in line for line in done.stdout.splitlines())
    assert (tmp_path / "asked").read_text() == "x" * 200


def test_one_damaged_ledger_does_not_keep_another_from_being_undone(left):
    (left.ledger.parent / "a.jsonl").write_text("not json\n")
    (left.ledger.parent / "b.jsonl").mkdir()
    done = left.types("undo")
    assert done.returncode == 13
    assert left.undone()
    assert "a.jsonl:1: it is no JSON" in done.stdout
    assert "b.jsonl: it cannot be opened: Is a directory" in done.stdout


def test_a_damaged_ledger_refuses_new_runs_and_shows_in_the_doctor(left):
    left.ledger.write_text("not json\n")
    assert left.types("doctor").returncode == 13
    told = json.loads(left.types("doctor", "--json").stdout)["residue"]
    assert told[0]["illegible"][0].startswith(f"{left.ledger}:1: ")
    (left.folder / "file.yaml").write_text("title: t\ndescription: d\nmethod: [{type: action, name: a, provider: {type: process, path: 'true'}}]\n")  # fmt: skip  # noqa: E501
    done = left.types("run", "--reports", str(left.folder / "reports"), str(left.folder / "file.yaml"))
    assert done.returncode == 12
    assert f"{left.ledger}:1: " in done.stdout + done.stderr


def mounted(left, options):
    """Return a prefix that runs a command with the state folder bound over itself, in mounts of its own."""
    script = (
        f'mount --bind "{left.state}" "{left.state}" && mount -o remount,bind,{options} "{left.state}" && exec "$@"'
    )
    probe = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, "sh", "true"], capture_output=True, text=True, check=False
    )
    if probe.returncode:
        pytest.skip(f"no mounts of our own here: {probe.stderr.strip()}")
    return ["unshare", "-m", "sh", "-c", script, "sh"]


def test_a_state_folder_that_cannot_be_written_is_undone_from_and_that_is_told(left):
    prefix = mounted(left, "ro")
    done = left.types("undo", prefix=prefix)
    assert done.returncode == 0, done.stdout + done.stderr
    assert left.undone()
    assert "cannot be written, so it will be undone once more" in done.stderr
    assert left.ledger.exists()
    assert left.types("undo").returncode == 0
    assert not left.ledger.exists()


def test_a_full_disk_keeps_nothing_from_being_undone(left):
    script = f'cp -a "{left.state}/ledger" "{left.folder}/copy" && mount -t tmpfs -o size=16k tmpfs "{left.state}" && '
    script += (
        f'cp -a "{left.folder}/copy" "{left.state}/ledger" && (cat /dev/zero > "{left.state}/full" 2>/dev/null; "$@")'
    )
    probe = subprocess.run(["unshare", "-m", "true"], capture_output=True, text=True, check=False)
    if probe.returncode:
        pytest.skip(f"no mounts of our own here: {probe.stderr.strip()}")
    done = left.types("undo", prefix=["unshare", "-m", "sh", "-c", script, "sh"])
    assert done.returncode == 0, done.stdout + done.stderr
    assert left.undone()


UNREAD = "import os, subprocess, sys; r, w = os.pipe(); os.close(r); sys.exit(subprocess.call(sys.argv[1:], stdout=w))"


@pytest.mark.parametrize(("damage", "code"), [("", 141), ("not json\n", 13)])
def test_residue_outranks_that_nobody_reads_what_is_told(left, damage, code):
    left.write(left.ledger.read_text() + damage)
    assert left.types("undo", prefix=[sys.executable, "-c", UNREAD]).returncode == code
    assert left.undone()


def test_a_ledger_that_may_not_be_read_is_told(left):
    left.ledger.chmod(0)
    # Root reads everything, unless it has given up the capabilities for that.
    prefix = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"] if os.getuid() == 0 else []
    done = left.types("undo", prefix=prefix)
    assert done.returncode == 13, done.stdout + done.stderr
    assert f"{left.ledger}: it cannot be opened: Permission denied" in done.stdout
    assert not left.undone()
    left.ledger.parent.chmod(0)
    done = left.types("undo", prefix=prefix)
    left.ledger.parent.chmod(0o700)
    assert done.returncode == 12
    assert done.stderr == f"chaoslab: refused by state: cannot use {left.ledger.parent}: Permission denied\n"
