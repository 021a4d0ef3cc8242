"""Where what must outlive a run is kept: found again from every folder, by every user."""

from pathlib import Path

import pytest

from chaoslab.core.errors import Refused
from chaoslab.runtime.places import state_folder


def no_home():
    raise RuntimeError("Could not determine home directory.")


@pytest.mark.parametrize("given", ["", "state", "./state", "~/state"])
def test_a_relative_state_folder_is_passed_over(monkeypatch, given):
    monkeypatch.setenv("XDG_STATE_HOME", given)
    monkeypatch.setenv("HOME", "/home/somebody")
    assert state_folder() == Path("/home/somebody/.local/state/chaoslab")


def test_an_absolute_one_counts(monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", "/var/state")
    monkeypatch.setattr(Path, "home", no_home)
    assert state_folder() == Path("/var/state/chaoslab")


def test_without_a_home_it_says_what_to_set(monkeypatch):
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    with pytest.raises(Refused, match="set XDG_STATE_HOME"):
        state_folder()
    monkeypatch.setattr(Path, "home", lambda: Path("somewhere"))
    with pytest.raises(Refused, match="set XDG_STATE_HOME"):
        state_folder()
