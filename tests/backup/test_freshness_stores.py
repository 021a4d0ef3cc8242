"""The nightly look at what `chaoslab backup` writes: each thing that is wrong with a set is found and named."""

import json
import shutil

import pytest
from nights import look, now, one_set, store


@pytest.fixture
def sets(tmp_path):
    """Eight nights of `chaoslab backup`."""
    return store(tmp_path / "store")


def last_set(sets):
    return sorted(path for path in sets.iterdir() if path.is_dir())[-1]


def test_a_store_without_a_set_json(tmp_path, sets):
    (last_set(sets) / "set.json").unlink()
    looked = look(tmp_path, stores=sets)
    assert looked.outcome == "failed"
    assert "manifest-missing" in looked.codes(), looked


def test_a_set_json_that_is_torn(tmp_path, sets):
    path = last_set(sets) / "set.json"
    path.write_text(path.read_text()[:200])
    assert "manifest-unreadable" in look(tmp_path, stores=sets).codes()


def test_a_manifest_that_lies(tmp_path, sets):
    [path] = last_set(sets).glob("shop-*.manifest.json")
    told = json.loads(path.read_text())
    told["files"][0]["sha256"] = "0" * 64
    path.write_text(json.dumps(told))
    looked = look(tmp_path, stores=sets)
    assert "backup-checksum-differs" in looked.codes(), looked


def test_a_manifest_and_a_set_that_contradict_each_other(tmp_path):
    run = one_set(tmp_path / "store", now())
    [path] = run.glob("shop-*.manifest.json")
    said = (run / "set.json").read_text()
    old = path.read_bytes()
    told = json.loads(old)
    digest = told["files"][0]["sha256"]
    (run / "set.json").write_text(said.replace(digest, "0" * 64))
    assert look(tmp_path, stores=tmp_path / "store").codes() == {"backup-checksum-differs", "manifest-contradicts"}


def test_a_file_cut_short_or_gone_in_any_set(tmp_path, sets):
    first = sorted(sets.iterdir())[0]
    [dump] = first.glob("shop-*.dump")
    dump.write_bytes(dump.read_bytes()[:1000])
    [roles] = last_set(sets).glob("*.globals.sql")
    roles.unlink()
    looked = look(tmp_path, stores=sets)
    assert looked.codes() == {"backup-truncated"}, looked
    wheres = {where for _, where in looked.findings()}
    assert any(where.startswith("shop/") for where in wheres)
    assert any(where.endswith("globals.sql") for where in wheres)


def test_a_bit_that_flipped_in_the_newest(tmp_path, sets):
    [dump] = last_set(sets).glob("users-*.dump")
    content = bytearray(dump.read_bytes())
    content[5000] ^= 1
    dump.write_bytes(content)
    looked = look(tmp_path, stores=sets)
    assert looked.codes() == {"backup-checksum-differs"}, looked
    assert looked.parts["users"].outcome == "failed"


def test_unfinished_runs_only(tmp_path, sets):
    for path in list(sets.iterdir()):
        path.rename(path.with_name(f"{path.name}.partial"))
    looked = look(tmp_path, stores=sets)
    assert looked.outcome == "failed"
    assert looked.codes() == {"backup-absent"}, looked


def test_a_run_at_work_is_no_alarm(tmp_path, sets):
    shutil.copytree(last_set(sets), sets / f"{now():%Y%m%dT%H%M%SZ}.partial")
    looked = look(tmp_path, stores=sets)
    assert looked.outcome == "passed", looked
    assert "backup-unfinished" in looked.codes("note")


def test_a_newest_run_that_failed_for_one_database(tmp_path, sets):
    one_set(sets, now(), failed=("users",))
    looked = look(tmp_path, stores=sets)
    assert looked.codes() == {"backup-run-failed"}, looked
    assert (looked.parts["users"].outcome, looked.parts["shop"].outcome) == ("failed", "ok")
