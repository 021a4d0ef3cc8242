"""Targets, labels, manifests and logs of recoveries, without a server."""

import hashlib
import io
import json

import pytest

from chaoslab.core.errors import BadUsage
from chaoslab.postgres.physical.backup_manifest import ManifestBroken, differences, parse
from chaoslab.postgres.physical.label import parse_label
from chaoslab.postgres.physical.probes import choices_make_sense
from chaoslab.postgres.physical.proof import halves
from chaoslab.postgres.physical.replay import Replay
from chaoslab.postgres.physical.repository import BaseBackup
from chaoslab.postgres.physical.target import at_instant, choose_backup, parse_target
from chaoslab.postgres.physical.wal_header import parse as parse_header


def backup(label, start, stop, ended_at=0.0):
    return BaseBackup(label, "full", 0.0, ended_at, start, stop, 1, "1", 15, 1)


BACKUPS = [backup("broken", 0, 0), backup("old", 100, 200, 1000.0), backup("new", 300, 400, 2000.0)]


@pytest.mark.parametrize(
    ("target", "label"),
    [
        (parse_target("latest"), "new"),
        (parse_target("lsn 0/18F"), "old"),
        (parse_target("lsn 0/190"), "new"),
        (at_instant(1999.0), "old"),
        (at_instant(2000.5), "old"),
        (at_instant(2001.0), "new"),
        (at_instant(1000.5), "old"),
        (parse_target("name release"), "new"),
    ],
)
def test_the_newest_backup_that_ended_before_the_point_is_taken(target, label):
    chosen = choose_backup(BACKUPS, target)
    assert chosen is not None
    assert chosen.label == label


def test_no_backup_leads_to_a_point_before_all_of_them():
    assert choose_backup(BACKUPS, at_instant(999.0)) is None
    assert choose_backup(BACKUPS, parse_target("latest"), "nowhere") is None


def test_a_target_becomes_settings():
    time = parse_target("time 2026-01-31T02:00:00+02:00")
    assert time.settings() == {
        "recovery_target_timeline": "latest",
        "recovery_target_time": "2026-01-31T00:00:00.000000+00:00",
        "recovery_target_action": "promote",
    }
    assert parse_target("lsn 0/1000000").settings()["recovery_target_inclusive"] == "off"
    assert parse_target("latest", timeline="3").settings() == {"recovery_target_timeline": "3"}


@pytest.mark.parametrize("text", ["", "time", "time 2026-01-31 02:00", "lsn", "lsn x", "name", "latest now", "soon"])
def test_what_is_no_target_is_refused(text):
    with pytest.raises(BadUsage, match="target"):
        parse_target(text)


LABEL = """START WAL LOCATION: 0/F000028 (file 00000001000000000000000F)
CHECKPOINT LOCATION: 0/F000060
BACKUP METHOD: streamed
START TIME: 2026-11-21 10:00:00 {zone}
LABEL: nightly
START TIMELINE: 3
"""


def test_a_label_is_read():
    found = parse_label(LABEL.format(zone="UTC"))
    assert found is not None
    assert (found.start_lsn, found.timeline, found.label, found.from_lsn) == (0xF000028, 3, "nightly", None)
    assert found.started_at == 1795255200.0
    other = parse_label(LABEL.format(zone="CET") + "INCREMENTAL FROM LSN: 0/2000028\n")
    assert other is not None
    assert (other.started_at, other.from_lsn) == (0.0, 0x2000028)
    assert parse_label("LABEL: torn") is None


def manifest(files, *, lie=False):
    body = {"PostgreSQL-Backup-Manifest-Version": 1, "Files": files}
    body["WAL-Ranges"] = [{"Timeline": 1, "Start-LSN": "0/2000028", "End-LSN": "0/2000100"}]
    text = json.dumps(body)[:-1] + ",\n"
    checksum = hashlib.sha256(text.encode()).hexdigest()
    return f'{text}"Manifest-Checksum": "{checksum[::-1] if lie else checksum}"}}\n'.encode()


def listed(path, content, algorithm="SHA256"):
    name = {"Path": path} if path.isascii() else {"Encoded-Path": path.encode().hex()}
    checksum = hashlib.new(algorithm, content).hexdigest()
    return {**name, "Size": len(content), "Checksum-Algorithm": algorithm, "Checksum": checksum}


def found_in(known, files):
    opened = [(path, len(content), io.BytesIO(content)) for path, content in files.items()]
    return {(one.code, one.where) for one in differences(known, opened, lambda: None)}


def test_files_are_held_against_their_manifest():
    known = parse(manifest([listed("a", b"one"), listed("b/ö", b"two", "SHA512"), listed("c", b"three")]))
    assert known.wal == ((1, 0x2000028, 0x2000100),)
    whole = {"a": b"one", "b/ö": b"two", "c": b"three", "pg_wal/0001": b"x", "backup_manifest": b"y"}
    assert found_in(known, whole) == set()
    assert found_in(known, {**whole, "a": b"One"}) == {("backup-checksum-differs", "a")}
    assert found_in(known, {**whole, "c": b"thr"}) == {("backup-truncated", "c")}
    assert found_in(known, {**whole, "new": b""}) == {("backup-file-unexpected", "new")}
    assert found_in(known, {"a": b"one", "c": b"three"}) == {("backup-truncated", "b/ö")}


@pytest.mark.parametrize("raw", [manifest([], lie=True), b"{", b"[]", b"", manifest([{"Path": "a"}])])
def test_a_manifest_that_lies_is_told(raw):
    with pytest.raises(ManifestBroken):
        parse(raw)


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (
            'FATAL:  archive file "000000010000000000000009" has wrong size: 5 instead of 16777216',
            "wal-segment-truncated",
        ),
        ("FATAL:  recovery ended before configured recovery target was reached", "recovery-target-not-reached"),
        ("FATAL:  requested recovery stop point is before consistent recovery point", "target-before-backup"),
        ("FATAL:  WAL ends before end of online backup", "wal-ends-before-backup"),
        ("FATAL:  requested timeline 7 is not a child of this server's history", "timeline-not-reachable"),
        ("LOG:  unexpected timeline ID 7 in log segment 000000010000000000000009, offset 0", "wal-of-another-timeline"),
        ("FATAL:  could not locate required checkpoint record", "recovery-start-missing"),
        ('FATAL:  could not write to file "x": No space left on device', "scratch-disk-full"),
        ('FATAL:  could not access file "timescaledb": No such file or directory', "recovery-failed"),
        ("nothing that is known", "recovery-failed"),
    ],
)
def test_a_recovery_that_ended_says_why(line, code, tmp_path):
    log = tmp_path / "server.log"
    log.write_text(
        f"2026-11-21 10:00:00.000 UTC [1] LOG:  starting archive recovery\n2026-11-21 10:00:01 UTC [1] {line}\n"
    )
    replay = Replay(log, lambda: 1.0)
    replay.look()
    assert replay.reason().code == code
    assert replay.stages["started"] == 1.0


def test_both_halves(tmp_path):
    acks = tmp_path / "acks"
    acks.write_text("".join(f"shop {beat} 0.0 {beat}.0\n" for beat in range(1, 11)))
    good = halves("t", acks, "shop", [1, 2, 3, 4, 5], before_s=5.0, after_s=6.0)
    assert good.differences(must_have_all=True) == []
    assert (good.acknowledged, good.after) == (5, 4)
    lost = halves("t", acks, "shop", [1, 2, 4], before_s=5.0, after_s=6.0)
    assert [one.code for one in lost.differences(must_have_all=True)] == ["committed-before-missing"]
    assert lost.differences(must_have_all=False) == []
    late = halves("t", acks, "shop", range(1, 10), before_s=5.0, after_s=6.0)
    assert [one.code for one in late.differences(must_have_all=True)] == ["committed-after-present"]


def test_the_header_of_a_segment_is_read_or_is_none():
    assert parse_header(b"") is None
    assert parse_header(bytes(8192)) is None
    page = bytes.fromhex("10d10200010000000000000f000000000000000000000000") + (4711).to_bytes(8, "little")
    header = parse_header(page + (2**24).to_bytes(4, "little") + (8192).to_bytes(4, "little"))
    assert header is not None
    assert (header.timeline, header.system_identifier, header.segment_bytes, header.major) == (1, "4711", 2**24, 15)


@pytest.mark.parametrize(
    ("choice", "told"),
    [
        ({"repository": "pgbackrest"}, "repository: .*disaster=declared"),
        ({"where": {"backups": "/backups", "wal": "/wal"}}, "backups: .*disaster=declared"),
        ({"timeline": "2"}, "timeline: .*disaster=declared"),
        ({"timeline": "-1"}, "timeline: '-1' is none"),
        ({"repository": "floppy"}, "repository: there is no 'floppy'"),
        ({"disaster": "declared", "repository": "folder", "where": {"stanza": "main"}}, "stanza: .*repository"),
        ({"disaster": "declared", "target": "lsn"}, "target: "),
        ({"target": "yesterday"}, "target: "),
        ({"form": "zip"}, "form: "),
        ({"profile": "fast"}, "profile: "),
        ({"check": "maybe"}, "check: "),
        ({"jobs": 0}, "jobs: "),
        ({"disaster": "flood"}, "disaster: "),
    ],
)
def test_what_would_be_passed_over_in_silence_is_refused_before_anything_is_made(choice, told):
    with pytest.raises(BadUsage, match=told):
        choices_make_sense(**{"disaster": "drop-table", "repository": "folder", "where": {"backups": ""}, **choice})


@pytest.mark.parametrize(
    "choice",
    [
        {"target": "lsn"},
        {"target": "time 2026-01-31T02:00:00Z"},
        {"disaster": "declared", "where": {"backups": "/backups", "wal": "/wal"}, "timeline": "3"},
        {"disaster": "declared", "repository": "barman", "where": {"server": "main", "backups": ""}},
    ],
)
def test_choices_that_fit_together(choice):
    assert choices_make_sense(**{"disaster": "drop-table", "repository": "folder", "where": {"wal": ""}, **choice})
