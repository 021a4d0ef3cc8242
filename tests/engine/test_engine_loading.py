"""Finding catalog files by name and by path."""

from __future__ import annotations

from pathlib import Path

import pytest

from chaoslab.core.errors import BadUsage
from chaoslab.engine import loading
from chaoslab.engine.loading import catalog, find, read

TEXT = "title: t\ndescription: d\nmethod: []\n"


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the user folders of his own."""
    for name in (
        "experiments/net/cut.yaml",
        "experiments/disk/cut.yml",
        "experiments/net/slow.json",
        "drills/fire/drill.yaml",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text('{"title": "t"}' if name.endswith("json") else TEXT)
    (tmp_path / "experiments/net/values.yaml").write_text("configuration: {a: 1}\n")
    (tmp_path / "drills/fire/RUNBOOK.md").write_text("# Run")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CHAOSLAB_CATALOG", raising=False)
    return tmp_path


def owned() -> set[str]:
    """Return the names of the user's own entries."""
    return {entry.full_name for entry in catalog() if entry.source == "own"}


def test_what_is_in_the_catalog(own: Path) -> None:
    assert owned() == {"net/cut", "disk/cut", "net/slow", "drills/fire"}


def test_folders_from_the_environment(own: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    flat = tmp_path / "flat"
    flat.mkdir()
    (flat / "alone.yaml").write_text(TEXT)
    monkeypatch.setenv("CHAOSLAB_CATALOG", f"{flat}:{own / 'nowhere'}")
    assert "flat/alone" in owned()
    assert find("alone") == flat / "alone.yaml"


def test_find_by_name_by_full_name_and_by_path(own: Path) -> None:
    assert find("slow").name == "slow.json"
    assert find("fire").name == "drill.yaml"
    assert find("net/cut") == Path("experiments/net/cut.yaml")
    assert find("experiments/disk/cut.yml") == Path("experiments/disk/cut.yml")
    assert find("drills/fire") == Path("drills/fire/drill.yaml")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("cut", "means several: disk/cut, net/cut"),
        ("slwo", "did you mean 'slow'"),
        ("gone.yaml", "no file gone.yaml"),
        ("experiments", "without a drill.yaml"),
        ("https://example.org/x.yaml", "only files"),
        ("zzzzzzz", "nothing in the catalog"),
    ],
)
def test_one_clear_error(own: Path, name: str, told: str) -> None:
    with pytest.raises(BadUsage, match=told):
        find(name)


def test_what_cannot_be_read_is_one_clear_error(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(path: Path, most_bytes: int) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(loading, "read_bounded", denied)
    with pytest.raises(BadUsage, match=r"cannot read experiments/net/slow\.json: Permission denied"):
        read("slow")


def test_the_checkout_is_the_shipped_catalog_and_not_the_users_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[2])
    assert all(entry.source == "chaoslab" for entry in catalog())
