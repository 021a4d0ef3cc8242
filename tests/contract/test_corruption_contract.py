"""Flipping bytes keeps the contract of faults, and never leaves the run's own scratch folder."""

import json
import random
from pathlib import Path

import pytest
from conformance import MomentaryConformance

from chaoslab.core.errors import Refused
from chaoslab.postgres.corruption.actions import corrupt
from chaoslab.postgres.corruption.flipping import is_flipped, pinned_flip, require_own
from chaoslab.postgres.corruption.places import file_place
from chaoslab.postgres.servers.scratch import MARKER

SEGMENT = "000000010000000000000003"
RUN = "contract"


def make_scratch(folder, token=RUN):
    (folder / "archive").mkdir(parents=True)
    (folder / MARKER).write_text(json.dumps({"token": token}))
    (folder / "archive" / SEGMENT).write_bytes(random.Random(7).randbytes(2**16))
    (folder / "archive.json").write_text(json.dumps({SEGMENT: ""}))
    return folder


class TestCorrupt(MomentaryConformance):
    action = staticmethod(corrupt)

    @pytest.fixture
    def target(self, tmp_path):
        folder = make_scratch(tmp_path / "scratch")
        self.before = (folder / "archive" / SEGMENT).read_bytes()
        return folder

    def arguments(self, target):
        return {
            "stand_in": {"scratch": str(target), "server": str(target / "standin"), "database": "shop"},
            "settled": {"what": "wal", "relation": "", "file": "", "checksums": True},
            "backups": {},
            "scratch": {"folder": str(target)},
        }

    def is_hit(self, target):
        file = target / "archive" / SEGMENT
        return file.exists() and file.read_bytes() != self.before

    def destroy(self, target):
        (target / "archive" / SEGMENT).unlink()

    def test_it_marks_the_disaster_at_the_instant_of_the_flip(self, target, session, tmp_path):
        told = self.action(**self.arguments(target))
        assert self.record(tmp_path).marks["disaster"] == pytest.approx(told["flipped_s"], abs=1e-5)

    def test_a_file_that_changed_since_it_was_pinned_is_left_alone(self, target, session):
        data = self.pinned(target).data
        file = Path(data["file"])
        file.write_bytes(b"x" * 2**16)
        with pytest.raises(Refused, match="has changed since"):
            self.fault.inject(data)
        assert file.read_bytes() == b"x" * 2**16

    def test_data_that_points_elsewhere_is_refused_when_it_strikes(self, target, session, tmp_path):
        theirs = tmp_path / "theirs"
        theirs.write_bytes(b"x" * 2**16)
        with pytest.raises(Refused, match="not in the scratch folder of this run"):
            self.fault.inject({**self.pinned(target).data, "file": str(theirs)})
        assert theirs.read_bytes() == b"x" * 2**16


def test_a_file_of_somebody_else_is_refused(tmp_path):
    scratch, theirs = make_scratch(tmp_path / "scratch"), tmp_path / "data"
    theirs.write_bytes(b"data" * 100)
    with pytest.raises(Refused, match="is not in the scratch folder of this run"):
        pinned_flip(file_place(theirs), {"folder": str(scratch)}, what="heap")


def test_a_link_out_of_the_scratch_folder_is_refused(tmp_path):
    scratch, theirs = make_scratch(tmp_path / "scratch"), tmp_path / "data"
    theirs.write_bytes(b"data" * 100)
    (scratch / "link").symlink_to(theirs)
    with pytest.raises(Refused, match="is not in the scratch folder of this run"):
        pinned_flip(file_place(scratch / "link"), {"folder": str(scratch)}, what="heap")


def test_a_folder_without_our_marker_is_refused(tmp_path):
    (tmp_path / "data").write_bytes(b"data" * 100)
    with pytest.raises(Refused, match="no scratch folder of ours"):
        pinned_flip(file_place(tmp_path / "data"), {"folder": str(tmp_path)}, what="heap")


def test_the_scratch_folder_of_another_run_is_refused(tmp_path):
    scratch = make_scratch(tmp_path / "scratch", token="another")
    with pytest.raises(Refused, match="of another run"):
        require_own(scratch / "archive" / SEGMENT, scratch, RUN)


def test_bytes_that_nobody_reads_have_no_effect(tmp_path):
    file = tmp_path / "segment"
    file.write_bytes(b"ab")
    data = {"file": str(file), "patches": [{"offset": 0, "before": "00", "after": "61"}]}
    assert is_flipped({**data, "in_use": True})
    assert not is_flipped({**data, "in_use": False})
    file.unlink()
    assert not is_flipped({**data, "in_use": True})
