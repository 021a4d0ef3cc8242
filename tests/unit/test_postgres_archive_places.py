"""A dump that is named wrongly: what is said leads to the right name."""

import os
from pathlib import Path

import pytest

from chaoslab.core.errors import BadUsage
from chaoslab.postgres.logical.archive import here, open_backup
from chaoslab.postgres.logical.manifest import read_manifest
from chaoslab.postgres.programs.binaries import find_binaries


def test_an_object_store_is_no_place_to_restore_from():
    with pytest.raises(BadUsage, match=r"fetch it first \(aws s3 cp --recursive s3://bucket/set/ set/\)"):
        here("s3://bucket/set/")
    assert here("/backups/shop.dump") == Path("/backups/shop.dump")


@pytest.mark.parametrize(("name", "hint"), [("shop-*.dump", True), ("shop.dump", False)])
def test_a_pattern_that_no_shell_expanded_is_explained(tmp_path, name, hint):
    with pytest.raises(BadUsage, match="No such file") as caught:
        open_backup(tmp_path / name, find_binaries(0, ""))
    assert ("expands no pattern" in str(caught.value)) is hint


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "shop.sql").write_text("SELECT 1;")
    os.mkfifo(tmp_path / "shop.sql.manifest.json")
    os.mkfifo(tmp_path / "shop.manifest.json")
    binaries = find_binaries(0)
    with pytest.raises(BadUsage, match="neither a file nor a folder"):
        open_backup(tmp_path / "pipe", binaries)
    with pytest.raises(BadUsage, match="/dev/zero is neither"):
        open_backup(tmp_path / "shop.sql", binaries, globals_path=Path("/dev/zero"))
    assert read_manifest(tmp_path / "shop.sql") is None
