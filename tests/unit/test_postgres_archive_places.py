"""A dump that is named wrongly: what is said leads to the right name."""

from pathlib import Path

import pytest

from chaoslab.core.errors import BadUsage
from chaoslab.postgres.archive import here, open_backup
from chaoslab.postgres.binaries import find_binaries


def test_an_object_store_is_no_place_to_restore_from():
    with pytest.raises(BadUsage, match=r"fetch it first \(aws s3 cp --recursive s3://bucket/set/ set/\)"):
        here("s3://bucket/set/")
    assert here("/backups/shop.dump") == Path("/backups/shop.dump")


@pytest.mark.parametrize(("name", "hint"), [("shop-*.dump", True), ("shop.dump", False)])
def test_a_pattern_that_no_shell_expanded_is_explained(tmp_path, name, hint):
    with pytest.raises(BadUsage, match="No such file") as caught:
        open_backup(tmp_path / name, find_binaries(0, ""))
    assert ("expands no pattern" in str(caught.value)) is hint
