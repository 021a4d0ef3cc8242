"""Our files under plain `chaos run`: the declared control opens the run, guards it, ends it, and makes it count."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import engine_toys
import pytest
import yaml
from engine_build import experiment, ours, probe, process, toy, until

from chaoslab.core.record import Record, record_of
from chaoslab.runtime.runlog import read_events

GOOD = probe("say", name="steady", word="steady", returns=True)


@pytest.fixture
def plain(forked: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give runs of `chaos run` a state folder of their own."""
    forked.env = {"XDG_STATE_HOME": str(forked.folder / "state")}
    return forked


def run(plain: Any, built: dict[str, Any], *options: str, **env: str) -> int:
    """Run a file with `chaos run`."""
    code: int = start(plain, built, *options, **env).wait()
    return code


def start(plain: Any, built: dict[str, Any], *options: str, **env: str) -> Any:
    """Start `chaos run` on a file."""
    file = plain.folder / "experiment.json"
    file.write_text(json.dumps(built))
    command = ("--no-version-check", "--no-log-file", "--settings", str(plain.folder / "settings.yaml"))
    return plain.start("chaos", *command, "run", *options, str(file), env={**plain.env, **env})


def record(plain: Any) -> Record:
    """Return the record of the only run."""
    return record_of(read_events(plain.run_folder / "events.jsonl"))


def test_a_good_run_passes(plain: Any) -> None:
    blot = plain.folder / "blot"
    put, look = toy("blot", file=str(blot)), toy("is_blotted", name="seen", kind="probe", file=str(blot))
    assert run(plain, ours(experiment(put, {**look, "tolerance": True}, probes=[GOOD]))) == 0, plain.stderr
    assert plain.journal["status"] == "completed"
    assert not blot.exists()
    assert [fault.undone_by for fault in record(plain).faults] == ["run"]
    assert (plain.run_folder / "journal.json").exists()
    assert "`chaoslab report" in plain.stderr


@pytest.mark.parametrize(
    "built",
    [
        experiment(toy("fail"), probes=[GOOD]),
        experiment(process("-c", "exit 3"), probes=[GOOD]),
        experiment(toy("say", word="a"), probes=[probe("say", word="p", returns=False)]),
        experiment(toy("say", word="a"), probes=[GOOD], rollbacks=[process("-c", "exit 3")]),
        experiment(probe("say", word="p", returns=False), probes=[GOOD]),
        experiment({**toy("interrupt"), "background": True}, toy("sleep", seconds=0.05), probes=[GOOD]),
    ],
)
def test_what_the_engine_would_let_pass_fails(plain: Any, built: dict[str, Any]) -> None:
    assert run(plain, ours(built)) == 1
    assert plain.journal["status"] == "failed"


@pytest.mark.parametrize("strategy", ["default", "never"])
def test_rollbacks_are_played_whatever_the_strategy(plain: Any, strategy: str) -> None:
    words = plain.folder / "words"
    built = ours(experiment(toy("fail"), probes=[GOOD], rollbacks=[toy("say", word="undone", file=str(words))]))
    assert run(plain, built, "--rollback-strategy", strategy) == 1
    assert words.read_text().split() == ["undone"]


def test_without_our_control_our_actions_refuse(plain: Any) -> None:
    blot = plain.folder / "blot"
    run(plain, experiment(toy("blot", file=str(blot)), probes=[GOOD]))
    assert not blot.exists()
    assert "no run is in progress" in plain.journal["run"][0]["exception"][-1]


def test_a_guard_that_says_no_touches_nothing(plain: Any) -> None:
    blot = plain.folder / "blot"
    assert run(plain, ours(experiment(toy("blot", file=str(blot)), probes=[GOOD])), CHAOSLAB_ALLOW="other:*") == 1
    assert not blot.exists()
    assert "toy box fits none of other:*" in plain.stderr
    assert record(plain).refusals[0][0] == "allow-list"
    assert plain.journal.get("run", []) == []


def test_production_is_named_in_the_environment(plain: Any) -> None:
    built = ours(experiment(toy("say", word="a"), probes=[GOOD]), guards={"production": ["box"]})
    assert run(plain, built) == 1
    assert run(plain, built, CHAOSLAB_YES="box") == 0, plain.stderr


def test_a_folder_that_cannot_be_written_refuses(plain: Any) -> None:
    words = plain.folder / "words"
    (plain.folder / "file").write_text("")
    built = ours(experiment(toy("say", word="a", file=str(words)), probes=[GOOD]))
    assert run(plain, built, CHAOSLAB_REPORTS=str(plain.folder / "file" / "reports")) == 1
    assert not words.exists()
    assert "refused by reports" in plain.stderr


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_stops_and_undoes(plain: Any, name: str) -> None:
    blot, words = plain.folder / "blot", plain.folder / "words"
    undo = toy("say", word="undone", file=str(words))
    built = experiment(toy("blot", file=str(blot)), toy("sleep", seconds=30.0), probes=[GOOD], rollbacks=[undo])
    start(plain, ours(built))
    until(blot.exists)
    plain.send(getattr(signal, name))
    assert plain.wait() == 1
    assert not blot.exists()
    assert words.read_text().split() == ["undone"]
    assert plain.journal["interruption"]["name"] == name
    assert record(plain).interruption == name


def test_sigkill_leaves_nothing(plain: Any) -> None:
    blot = plain.folder / "blot"
    start(plain, ours(experiment(toy("blot", file=str(blot)), toy("sleep", seconds=30.0), probes=[GOOD])))
    until(blot.exists)
    plain.send(signal.SIGKILL)
    plain.wait()
    until(lambda: not blot.exists())


def test_an_exception_that_escapes_the_engine_leaves_nothing(plain: Any) -> None:
    blot = plain.folder / "blot"
    wordy = probe("count_in_words", tolerance=[0, 5], file=str(plain.folder / "count"))
    assert run(plain, ours(experiment(toy("blot", file=str(blot)), probes=[wordy]))) == 1
    assert not blot.exists()
    assert record(plain).ended


def test_outputs_pass_to_later_steps_and_secrets_to_no_journal(plain: Any) -> None:
    canary = "c4n4ry-password"
    words = plain.folder / "words"
    first = toy("say", name="first", word="x", returns=f"postgresql://u:{canary}@h/d")
    second = toy("say", name="second", word="${first}", file=str(words))
    built = ours(
        experiment(
            first,
            second,
            probes=[GOOD],
            configuration={"dsn": f"postgresql://u:{canary}@h/d"},
            secrets={"db": {"token": {"type": "env", "key": "TOY_TOKEN"}}},
        )
    )
    assert run(plain, built, TOY_TOKEN="t0ken-canary") == 0, plain.stderr
    assert canary in words.read_text()
    written = [plain.folder / "journal.json", *plain.run_folder.iterdir()]
    for file in written:
        assert canary not in file.read_text(), file
        assert "t0ken-canary" not in file.read_text(), file


def test_the_control_file_way_for_foreign_files(plain: Any) -> None:
    words = plain.folder / "words"
    controls = plain.folder / "controls.json"
    mine: dict[str, Any] = ours({})["controls"][0]
    controls.write_text(json.dumps({"chaoslab": {"provider": mine["provider"]}}))
    built = experiment(process("-c", "exit 3"), probes=[GOOD], rollbacks=[toy("say", word="u", file=str(words))])
    assert run(plain, built, "--control-file", str(controls)) == 1
    assert Path(words).read_text().split() == ["u"]


def test_the_installed_command_reads_the_file_again_and_tells_places(tmp_path: Path) -> None:
    file = tmp_path / "toy.yaml"
    text = yaml.safe_dump(ours(experiment(process("-c", "true"), probes=[GOOD])))
    file.write_text(text.replace("blast_radius", "blast_raduis"))
    chaos = Path(sys.executable).with_name("chaos")
    support = str(Path(engine_toys.__file__).parent)
    env = {**os.environ, "XDG_STATE_HOME": str(tmp_path / "state"), "PYTHONPATH": support}
    command = [str(chaos), "--no-version-check", "--no-log-file", "run", str(file)]
    ended = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert f"{file}:" in ended.stderr
    assert "did you mean 'blast_radius'" in ended.stderr


def test_a_control_that_is_declared_twice_opens_one_run(plain: Any) -> None:
    controls = plain.folder / "controls.json"
    built = ours(experiment(toy("say", word="a"), probes=[GOOD]))
    controls.write_text(json.dumps({"again": {"provider": built["controls"][0]["provider"]}}))
    assert run(plain, built, "--control-file", str(controls)) == 0, plain.stderr
    assert [step.name for step in record(plain).steps] == ["steady", "a", "steady"]
