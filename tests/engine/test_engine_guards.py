"""Guards: each refuses for its own reason, all at once, and a broken one refuses too."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from engine_build import events_of, experiment, ours, probe, run_ours, toy

from chaoslab.core.errors import ExitCode, Refused
from chaoslab.engine import guards
from chaoslab.engine.guards import target_text
from chaoslab.engine.needs import missing
from chaoslab.engine.opening import Wishes
from chaoslab.engine.runner import run_exercise
from chaoslab.runtime.identity import myself
from chaoslab.runtime.locks import TargetLock

GOOD = probe("say", name="steady", word="steady", returns=True)
DB = {"kind": "postgres", "address": "postgresql://me:pw@db1:5432/shop?sslmode=require"}


@pytest.fixture(autouse=True)
def _no_patterns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHAOSLAB_ALLOW", raising=False)
    monkeypatch.delenv("CHAOSLAB_PRODUCTION", raising=False)


def guarded(**extension: Any) -> dict[str, Any]:
    """Build a harmless experiment on a database."""
    return ours(experiment(toy("say", word="a"), probes=[GOOD]), **{"targets": [DB], **extension})


def refusals(built: dict[str, Any], folder: Path, **wishes: Any) -> dict[str, str]:
    """Run it; return the guards that refused, with their reasons, having checked that nothing ran."""
    outcome = run_ours(built, folder, **wishes)
    if outcome.record.refusals:
        assert (outcome.verdict.outcome, outcome.exit_code) == ("refused", ExitCode.REFUSED)
        assert events_of(outcome, "step-started", "hypothesis", "fault-intended") == []
    else:
        assert outcome.exit_code == 0, outcome.verdict.reasons
    return dict(outcome.record.refusals)


@pytest.mark.parametrize(
    ("address", "text"),
    [
        ("postgresql://me:pw@db1:5432/shop?sslmode=require", "kind db1:5432/shop"),
        ("postgresql:///shop", "kind /shop"),
        ("host=db1 port=5433 user=me password='p w' dbname=shop", "kind db1:5433/shop"),
        ("http://me:pw@h:8080/health", "kind h:8080/health"),
        ("/run/service.pid", "kind /run/service.pid"),
    ],
)
def test_how_a_target_is_called(address: str, text: str) -> None:
    assert target_text("kind", address) == text


@pytest.mark.parametrize("pattern", ["db1:*", "postgres:db1*", "*", "postgres db1:5432/shop", "DB1:5432/SHOP"])
def test_a_target_that_fits_is_let_through(tmp_path: Path, pattern: str) -> None:
    assert refusals(guarded(guards={"allow": [pattern]}), tmp_path) == {}


def test_a_target_must_fit_the_files_list_and_the_machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "allow-list" in refusals(guarded(guards={"allow": ["db2:*"]}), tmp_path)
    monkeypatch.setenv("CHAOSLAB_ALLOW", "lab:*, db2:*")
    told = refusals(guarded(guards={"allow": ["db1:*"]}), tmp_path)["allow-list"]
    assert told == "postgres db1:5432/shop fits none of lab:*, db2:*"


def test_a_foreign_file_fits_no_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAOSLAB_ALLOW", "*")
    assert "allow-list" in refusals(experiment(toy("say", word="a"), probes=[GOOD]), tmp_path)


def test_production_needs_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAOSLAB_PRODUCTION", "db1:*")
    assert "--yes 'db1:5432/shop'" in refusals(guarded(), tmp_path)["production"]
    assert "production" in refusals(guarded(), tmp_path, confirmed=frozenset({"db2", "yes"}))
    assert refusals(guarded(), tmp_path, confirmed=frozenset({"db1:5432/shop"})) == {}
    assert "production" in refusals(guarded(guards={"production": ["postgres:*"]}), tmp_path)


def test_free_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "free-disk" in refusals(guarded(guards={"free_disk": "900TiB"}), tmp_path)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(guards.shutil, "disk_usage", lambda folder: usage._replace(free=1 << 20))
    assert "1 MiB free" in refusals(guarded(), tmp_path)["free-disk"]


def test_a_need_that_is_not_met(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "root is missing; run as root" in refusals(guarded(needs=["root"]), tmp_path)["needs"]
    assert [absent.what for absent in missing(["root", "lab", "kafka"])] == ["root"]


def test_a_target_that_another_run_holds(tmp_path: Path) -> None:
    lock = TargetLock(tmp_path / "state", "postgres db1:5432/shop")
    lock.acquire("another-run")
    try:
        assert "another-run" in refusals(guarded(), tmp_path)["lock"]
    finally:
        lock.release("another-run")
    assert refusals(guarded(), tmp_path) == {}


def test_the_lock_of_a_dead_run_is_stale(tmp_path: Path) -> None:
    lock = TargetLock(tmp_path / "state", "postgres db1:5432/shop")
    lock.acquire("dead-run")
    (file,) = (tmp_path / "state" / "locks").glob("*.json")
    holder = json.loads(file.read_text())
    file.write_text(json.dumps(holder | {"started": myself().started - 1}))
    assert refusals(guarded(), tmp_path) == {}


def test_all_reasons_at_once(tmp_path: Path) -> None:
    built = guarded(guards={"allow": ["db2:*"], "production": ["db1:*"], "free_disk": "900TiB"})
    assert set(refusals(built, tmp_path)) == {"allow-list", "production", "free-disk"}


def test_a_guard_that_is_broken_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(gate: Any, session: Any) -> Iterator[str]:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setitem(guards.GUARDS, "allow-list", broken)
    assert "the guard itself broke: ZeroDivisionError" in refusals(guarded(), tmp_path)["allow-list"]


def test_a_world_that_no_longer_matches_the_agreed_plan(tmp_path: Path) -> None:
    assert "no longer matches" in refusals(guarded(), tmp_path, agreed_plan="0" * 64)["plan"]


def test_a_reports_folder_that_cannot_be_written_refuses_without_a_folder(tmp_path: Path) -> None:
    from chaoslab.core.spec import parse_spec
    from chaoslab.engine.variables import given_of

    (tmp_path / "file").write_text("")
    wishes = Wishes(reports=tmp_path / "file" / "reports", state=tmp_path / "state")
    with pytest.raises(Refused, match=r"refused by reports: cannot write .*file.*--reports"):
        run_exercise(parse_spec(json.dumps(guarded()), "toy.json"), given_of(), wishes)


def test_a_state_folder_that_cannot_be_written_is_named_and_no_empty_run_is_left(tmp_path: Path) -> None:
    from chaoslab.core.spec import parse_spec
    from chaoslab.engine.variables import given_of

    (tmp_path / "file").write_text("")
    wishes = Wishes(reports=tmp_path / "reports", state=tmp_path / "file" / "chaoslab")
    with pytest.raises(Refused, match=r"refused by state: cannot write .*file.*XDG_STATE_HOME"):
        run_exercise(parse_spec(json.dumps(guarded()), "toy.json"), given_of(), wishes)
    assert not (tmp_path / "reports").exists()


def test_two_runs_of_one_second_get_folders_of_their_own(tmp_path: Path) -> None:
    folders = {run_ours(guarded(), tmp_path).folder for _ in range(3)}
    assert len(folders) == 3
