"""Bad input and bad days: one clear error, the documented exit code, no traceback, nothing touched."""

import json
import os
import signal
import subprocess

import pytest
from waiting import until


def complains(done, *, code, told):
    """Check that there is one error, told in short."""
    assert done.returncode == code, done.stdout + done.stderr
    assert told in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def service_of(person):
    return json.loads(person.types("lab", "status", "--json").stdout)["service"]


def state_of(pid):
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0]


@pytest.mark.parametrize("command", ["plan", "run"])
@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["shrt.yaml"], 2, "there is no file shrt.yaml"),
        (["databse-blocked"], 2, "databse-blocked"),
        (["bad.yaml"], 2, "bad.yaml:"),
        (["broken.yaml"], 2, "broken.yaml:"),
        (["folder.yaml"], 2, "folder.yaml"),
        (["https://example.org/x.yaml"], 2, "download it first"),
        (["short.yaml", "--var", "hld=1s"], 2, "did you mean 'hold'?"),
        (["short.yaml", "--var", "hold"], 2, "write key=value"),
        (["short.yaml", "--var-file", "none.yaml"], 2, "none.yaml"),
        (["short.yaml", "--var-file", "bad.yaml"], 2, "unknown key"),
        (["short.yaml", "--vra", "hold=1s"], 2, "--var"),
        (["short.yaml", "--seed", "many"], 2, "--seed"),
        ([], 2, "NAME|FILE"),
        (["short.yaml", "--var", "pid_file=/no/such/file"], 12, "/no/such/file"),
    ],
)
def test_what_cannot_be_run_is_told_and_leaves_nothing(person, command, arguments, code, told):
    (person.folder / "bad.yaml").write_text("title: x\nmetod: []\n")
    (person.folder / "broken.yaml").write_text("title: [\n")
    (person.folder / "folder.yaml").mkdir()
    done = person.types(command, *arguments)
    complains(done, code=code, told=told)
    assert done.stdout == ""
    assert person.runs() == []


def test_without_a_lab_it_says_how_to_get_one(lonely):
    done = lonely.types("run", "short.yaml")
    complains(done, code=12, told="chaoslab lab start")
    assert len(done.stderr.splitlines()) == 1


def test_a_plan_that_cannot_be_read_or_written(person):
    complains(person.types("run", "short.yaml", "--plan", "none.json"), code=2, told="none.json")
    (person.folder / "other.json").write_text("{}")
    complains(person.types("run", "short.yaml", "--plan", "other.json"), code=2, told="other.json:1:1")
    complains(person.types("plan", "short.yaml", "--out", "no/such/plan.json"), code=2, told="no/such/plan.json")


def test_reports_that_are_a_file(person):
    (person.folder / "reports").write_text("a file where a folder is expected")
    complains(person.types("run", "short.yaml"), code=12, told="reports")
    assert state_of(service_of(person)["pid"]) != "T"


@pytest.mark.parametrize(
    ("options", "before", "told"),
    [
        ("ro", "true", "Read-only file system"),
        ("size=1m", "true", "free, and 16 MiB are needed"),
        ("size=64k", "{ cat /dev/zero > reports/filler; } 2>/dev/null", "No space left on device"),
    ],
)
def test_reports_on_a_disk_that_is_read_only_or_full(person, options, before, told):
    (person.folder / "reports").mkdir()
    script = f'mount -t tmpfs -o {options} none reports && {{ {before}; exec "$@"; }}'
    isolated = ["unshare", "--mount", "sh", "-c", script, "sh"]
    if subprocess.run([*isolated, "true"], cwd=person.folder, check=False, capture_output=True).returncode:
        pytest.skip("mounting needs a right that this user lacks")
    done = subprocess.run(
        [*isolated, *person.command("run", "short.yaml")],
        cwd=person.folder,
        env=person.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    complains(done, code=12, told=told)


def test_a_state_folder_that_is_a_file(person):
    (person.folder / "state").write_text("")
    for command in (["run", "short.yaml"], ["undo"], ["doctor"]):
        done = person.types(*command)
        assert done.returncode == 12, done.stdout + done.stderr
        assert "Traceback" not in done.stderr


def test_a_step_that_cannot_be_done_is_no_traceback(person):
    text = (person.folder / "short.yaml").read_text().replace("duration: 1s", "duration: soon")
    (person.folder / "short.yaml").write_text(text)
    done = person.types("run", "short.yaml")
    assert done.returncode == 2
    assert "refused" not in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert state_of(service_of(person)["pid"]) != "T"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_undoes_and_reports(person, number):
    pid = service_of(person)["pid"]
    with person.begins("run", "short.yaml", "--var", "hold=30s", "--json") as running:
        until(lambda: state_of(pid) == "T")
        running.send_signal(number)
        until(lambda: state_of(pid) != "T", within_s=18)  # it holds on for 30 s, and lives for 20
        out, err = running.communicate(timeout=120)
    assert running.returncode == 128 + number
    report = json.loads(out)
    assert (report["outcome"], report["residue"]) == ("interrupted", [])
    assert signal.Signals(number).name in err
    assert "Traceback" not in err


def test_a_signal_to_several_stops_the_one_and_begins_no_other(person):
    pid = service_of(person)["pid"]
    with person.begins("run", "short.yaml", "short.yaml", "--var", "hold=30s") as running:
        until(lambda: state_of(pid) == "T")
        running.send_signal(signal.SIGTERM)
        _, err = running.communicate(timeout=120)
    assert running.returncode == 143
    assert state_of(pid) != "T"
    assert len(person.runs()) == 1
    assert "1 exercise did not begin" in err


def test_who_kills_a_series_has_stopped_the_one_that_runs(person):
    pid = service_of(person)["pid"]
    with person.begins("run", "short.yaml", "short.yaml", "--var", "hold=30s") as running:
        until(lambda: state_of(pid) == "T")
        running.kill()
        until(lambda: state_of(pid) != "T", within_s=18)
        running.communicate(timeout=120)
    [folder] = person.runs()
    until(lambda: (folder / "report.json").exists())
    assert person.types("undo").stdout == "nothing to undo\n"


def test_a_killed_run_is_undone_reported_and_clean(person):
    pid = service_of(person)["pid"]
    with person.begins("run", "short.yaml", "--var", "hold=30s") as running:
        until(lambda: state_of(pid) == "T")
        running.kill()
        until(lambda: state_of(pid) != "T", within_s=18)
        running.communicate(timeout=120)
    [folder] = person.runs()
    until(lambda: '"fault-undone"' in (folder / "events.jsonl").read_text())
    done = person.types("report", folder)
    assert done.returncode == 137
    assert "INTERRUPTED" in done.stdout
    assert person.types("undo").stdout == "nothing to undo\n"
    assert person.types("run", "short.yaml").returncode == 0


def test_a_second_run_at_once_is_refused(person):
    pid = service_of(person)["pid"]
    with person.begins("run", "short.yaml", "--var", "hold=30s") as running:
        until(lambda: state_of(pid) == "T")
        done = person.types("run", "short.yaml")
        assert done.returncode == 12
        running.send_signal(signal.SIGINT)
        running.communicate(timeout=120)


def test_a_reader_that_goes_away_keeps_no_fault_alive(person):
    pid = service_of(person)["pid"]
    reading, writing = os.pipe()
    with subprocess.Popen(
        person.command("run", "short.yaml"), cwd=person.folder, env=person.environment, stdout=writing, stderr=writing
    ) as running:
        os.close(writing)
        until(lambda: state_of(pid) == "T")
        os.close(reading)
        running.wait(timeout=120)
    assert state_of(pid) != "T"
    [folder] = person.runs()
    assert json.loads((folder / "report.json").read_text())["outcome"] == "passed"
