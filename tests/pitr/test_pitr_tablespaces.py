"""A tablespace that is younger than the base backup: replay would make it again where the original's lies."""

import pytest
from kept import state_of_tree
from small_lab import SmallLab

from chaoslab.postgres.programs.commands import server_user
from chaoslab.postgres.servers.folders import give

pytestmark = pytest.mark.postgres


@pytest.fixture
def lab(passable_root, tmp_path, binaries):
    made = SmallLab(passable_root / tmp_path.name, binaries)
    yield made
    made.cluster.destroy()


def attic(lab):
    """Have the server make a tablespace that its base backup does not know; return its place."""
    place = lab.folder / "attic"
    place.mkdir(mode=0o700)
    give(place, server_user())
    lab.sql(f"CREATE TABLESPACE attic LOCATION '{place}'")
    lab.sql("CREATE TABLE kept TABLESPACE attic AS SELECT generate_series(1, 1000) AS n")
    lab.sql("CHECKPOINT")
    lab.switch()
    return place


def test_nothing_is_replayed_into_the_original_s_tablespace(lab, drill):
    place = attic(lab)
    before = state_of_tree(place)
    report = drill(lab.source, *lab.variables)
    assert report.outcome == "failed", report
    assert ("tablespace-made-since", "attic") in report.findings()
    assert "started_s" not in report.data["marks"], "it was stopped before it replayed anything"
    assert state_of_tree(place) == before
    assert lab.sql("SELECT count(*) FROM kept") == (1000,)


def test_replay_ends_where_a_tablespace_has_no_place_on_this_machine(lab, drill):
    """The original has dropped it since, or runs elsewhere: nothing warned of it."""
    place = attic(lab)
    lab.sql("DROP TABLE kept")
    lab.sql("DROP TABLESPACE attic")
    lab.switch()
    place.rmdir()
    report = drill(lab.source, *lab.variables)
    assert report.outcome == "failed", report
    assert report.findings() == {("tablespace-made-since", str(place))}
