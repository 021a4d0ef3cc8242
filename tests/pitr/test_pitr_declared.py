"""The whole drill on repositories of pgBackRest's and Barman's whose server is declared lost while it commits."""

import pytest
from origin import require_passed

pytestmark = pytest.mark.postgres
ALL_WORDS = "SELECT count(*) FILTER (WHERE word = 'last good') = 1 AND count(*) FILTER (WHERE word = 'disaster') = 1"


def declared(lab, drill, *where):
    """Run the drill; what is asked of the recovered server is the newest of what was archived."""
    known = (f"source={lab.origin.cluster.dsn()}", f"config={lab.config}", f"smoke_sql={ALL_WORDS} FROM public.words")
    return drill("disaster=declared", *known, *where)


def test_a_server_that_pgbackrest_keeps_comes_back(pgbackrest_lab, drill, tmp_path):
    acks = tmp_path / "acks"
    with pgbackrest_lab.origin.beating(acks):
        pgbackrest_lab.archived(pgbackrest_lab.origin.switch())
        report = declared(pgbackrest_lab, drill, "repository=pgbackrest", "stanza=main", f"heartbeat_acks={acks}")
    require_passed(report, acks)
    assert len(report.data["parts"]) == 3


def test_a_server_that_barman_keeps_comes_back(barman_lab, drill, tmp_path):
    """Nobody has a log of what was acknowledged: the heartbeat of the source tells."""
    acks = tmp_path / "acks"
    with barman_lab.origin.beating(acks):
        barman_lab.arrived(barman_lab.origin.switch())
        report = declared(barman_lab, drill, "repository=barman", "server=main")
    require_passed(report, acks)
    assert len(report.data["parts"]) == 1
