"""The database of record is refused, however it is found, until somebody says that it is meant."""

from pathlib import Path

import pytest

from chaoslab.core.errors import Refused
from chaoslab.process.actions import kill, pause
from chaoslab.process.supervised import restart
from chaoslab.resource.files import exhaust
from chaoslab.runtime.fault import pin_of


@pytest.mark.parametrize("action", [kill, pause, restart, exhaust])
def test_the_labs_postmaster_is_refused_unless_it_is_meant(lab, action):
    port = str(lab["server"]["port"])
    with pytest.raises(Refused, match=r"\(postgres\) belongs to a database server, which holds data of record"):
        pin_of(action)(port=port)
    if action is not exhaust:  # root alone may change another user's limits, and not every root
        assert "(postgres)" in pin_of(action)(port=port, database="yes").target


def test_each_worker_of_it_is_refused_too(lab):
    """One worker that is killed makes the postmaster end all the others."""
    with pytest.raises(Refused, match="belongs to a database server"):
        pin_of(kill)(command="^postgres: lab: checkpointer", which="oldest")


def test_the_service_of_the_lab_is_found_by_its_port(lab):
    port = lab["service"]["url"].rpartition(":")[2]
    pid = Path(lab["service"]["pid_file"]).read_text().split()[0]
    assert pin_of(kill)(port=port).target.startswith(f"process {pid} (")
