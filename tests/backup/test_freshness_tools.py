"""The nightly look at repositories of pgBackRest and Barman, which only their own programs read."""

import shutil
import sys
from pathlib import Path

import pytest
from nights import look

from chaoslab.postgres.servers.folders import make_passable

sys.path.insert(0, str(Path(__file__).parents[1] / "pitr/support"))

import barman_lab
import pgbackrest_lab

pytestmark = pytest.mark.skipif(
    not (shutil.which("pgbackrest") and shutil.which("barman")), reason="pgbackrest and barman are not installed"
)
LABS = {"pgbackrest": (pgbackrest_lab.PgBackRestLab, "stanza"), "barman": (barman_lab.BarmanLab, "server")}


@pytest.fixture(scope="module", params=sorted(LABS))
def lab(request, binaries, passable_root):
    """A server with a repository of one of the tools."""
    made, word = LABS[request.param]
    root = passable_root / f"nightly-{request.param}"
    make_passable(root)
    root.chmod(0o755)
    found = made(root, binaries)
    try:
        found.fill()
        yield request.param, word, found
    finally:
        found.stop()


def variables(lab, config):
    tool, word, _ = lab
    return {"repository": tool, "repository_where": f"{word}=main; config={config}", "rpo": "15m"}


def segments(lab, copy):
    return (pgbackrest_lab if lab[0] == "pgbackrest" else barman_lab).segments(copy)


def test_a_repository_that_is_well(tmp_path, lab):
    looked = look(tmp_path, **variables(lab, lab[2].config))
    assert looked.outcome == "passed", looked
    assert "recovery can go to any moment" in looked.message("recovery-window")


def test_newest_wal_that_is_older_than_it_may_be(tmp_path, lab):
    looked = look(tmp_path, **variables(lab, lab[2].config), max_wal_age="1ms")
    assert looked.codes() == {"archive-stopped"}, looked


def test_a_gap(tmp_path, lab):
    copy, config = lab[2].copied("with-a-gap")
    present = segments(lab, copy)
    missing = sorted(present)[-2]
    present[missing].unlink()
    looked = look(tmp_path, **variables(lab, config))
    assert looked.outcome == "failed", looked
    assert looked.codes() & {"wal-gap", "base-backup-unusable", "recovery-window-empty"}, looked


def test_a_configuration_that_is_not_there(tmp_path, lab):
    looked = look(tmp_path, **variables(lab, tmp_path / "nowhere.conf"))
    assert looked.outcome in {"failed", "inconclusive"}, looked
    assert looked.codes("failure") | looked.codes("unknown"), looked
