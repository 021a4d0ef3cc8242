"""The scratch folder: removed whatever state it is in, and nothing else is ever removed."""

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from chaoslab.postgres.actions import SCRATCH, scratch
from chaoslab.postgres.servers.folders import write_private
from chaoslab.postgres.servers.scratch import MARKER, ScratchFailed, make, provision, remove
from chaoslab.runtime.fault import fault_of, pin_of, resolve
from chaoslab.runtime.identity import state_of

pytestmark = pytest.mark.postgres


def test_a_folder_without_our_marker_is_left_alone(tmp_path):
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").touch()
    with pytest.raises(ScratchFailed, match="left alone"):
        remove(tmp_path / "precious", "token")
    assert (tmp_path / "precious" / "file").exists()


def test_another_run_s_folder_is_left_alone(tmp_path):
    made = make(tmp_path / "s", "theirs")
    with pytest.raises(ScratchFailed, match="another run"):
        remove(made.folder, "ours")
    assert made.folder.exists()


def test_an_existing_folder_is_not_taken_over(tmp_path):
    with pytest.raises(ScratchFailed, match="File exists"):
        make(tmp_path, "token")


def test_removing_twice_or_what_was_never_made_is_harmless(tmp_path):
    remove(tmp_path / "never", "token")
    made = make(tmp_path / "s", "token")
    remove(made.folder, "token")
    remove(made.folder, "token")
    assert not made.folder.exists()


def test_half_made_folders_are_removed(tmp_path):
    (tmp_path / "empty").mkdir()
    remove(tmp_path / "empty", "token")
    assert not (tmp_path / "empty").exists()
    torn = tmp_path / "torn"
    torn.mkdir()
    (torn / MARKER).write_text('{"tok')
    remove(torn, "token")
    assert not torn.exists()


def test_a_running_server_is_stopped_and_removed_by_another_process(passable, binaries):
    made = make(passable / "s", "token")
    cluster = provision(made, binaries, profile="verify", jobs=2, deadline_s=60)
    pid = cluster.pid()
    code = "import sys, pathlib; from chaoslab.postgres.servers.scratch import remove; "
    code += "remove(pathlib.Path(sys.argv[1]), 'token')"
    subprocess.run([sys.executable, "-c", code, str(made.folder)], check=True)
    assert not made.folder.exists()
    assert state_of(pid) in {"", "Z"}


def test_a_dump_that_outlived_its_runner_is_ended(lab, binaries, tmp_path):
    """It hangs behind a lock, as a long dump would be at work."""
    made = make(tmp_path / "s", "token")
    import psycopg

    with psycopg.connect(lab["postgres"][0]["dsn"]) as blocker:
        blocker.execute("LOCK TABLE clinic.tenant IN ACCESS EXCLUSIVE MODE")
        command = [
            binaries.program("pg_dump"),
            f"--file={made.backup / 'x.dump'}",
            f"--dbname={lab['postgres'][0]['dsn']}",
        ]
        orphan = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        time.sleep(0.5)
        assert orphan.poll() is None
        remove(made.folder, "token")
        assert orphan.wait(60) == -9
    assert not made.folder.exists()


def test_the_action_pins_without_touching_and_names_its_undo():
    pinned = pin_of(scratch)()
    assert not Path(pinned.data["folder"]).exists()
    assert pinned.target.startswith("scratch folder in ")
    assert pin_of(scratch)().target == pinned.target
    assert fault_of(scratch) is SCRATCH
    assert resolve("chaoslab.postgres.actions:scratch") is SCRATCH


def test_a_private_file_may_be_written_by_two_at_once(tmp_path):
    path = tmp_path / "conf"
    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(write_private, path, "text\n") for _ in range(400)]:
            done.result()
    assert path.read_text() == "text\n"
