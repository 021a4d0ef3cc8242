"""A lab that cannot be filled is not begun."""

import sys

import pytest

from chaoslab.core.errors import Missing
from chaoslab.lab.lifecycle import start


def test_without_psycopg_nothing_is_started(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(Missing, match="psycopg"):
        start(home=tmp_path / "lab")
    assert not (tmp_path / "lab").exists()
