"""What names and headers of dumps say."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from chaoslab.backup.freshness.dumps import Reading, copies_in, with_header
from chaoslab.backup.freshness.evidence import Entry
from chaoslab.backup.freshness.headers import Header, read_header
from chaoslab.backup.freshness.names import BadPattern, compiled, read_name
from chaoslab.backup.freshness.wishes import zone_of
from chaoslab.core.errors import BadUsage

AT = datetime(2026, 11, 21, 2, 0, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("name", "database", "at", "width_s"),
    [
        ("shop-20261121T020000Z.dump", "shop", AT, 0),
        ("shop-20261121T020000123Z.dump", "shop", AT + 0.123, 0),
        ("shop_2026-11-21_02-00.sql.gz", "shop", AT, 60),
        ("shop.2026-11-21.sql", "shop", AT - 7200, 86400),
        ("backup_20261121_0200_shop.sql", "shop", AT, 60),
        ("2026-11-21/shop.dump", "shop", AT - 7200, 86400),
        ("shop/20261121-020000.dump.gpg", "shop", AT, 0),
        ("shop/daily-2026-11-21.tar", "shop", AT - 7200, 86400),
        ("shop.sql", "shop", None, None),
        ("db-20-12-shop.sql", "db-20-12-shop", None, None),
    ],
)
def test_the_usual_names(name, database, at, width_s):
    named = read_name(name, UTC)
    assert named.database == database
    assert named.low_s == (None if at is None else pytest.approx(at))
    assert (named.high_s - named.low_s if at else None) == width_s


@pytest.mark.parametrize(
    "name",
    ["shop.globals.sql", "shop-20261121.dump.sha256", "README.md", "shop.manifest.json", "shop.sql.tmp", "x.log"],
)
def test_what_is_no_dump(name):
    assert read_name(name, UTC) is None


def test_a_pattern_says_where_to_look():
    pattern = compiled("{database}_%d-%m-%Y*.sql.gz")
    named = read_name("deep/shop_21-11-2026_x.sql.gz", UTC, pattern)
    assert (named.database, named.low_s) == ("shop", AT - 7200)
    assert read_name("other.sql.gz", UTC, pattern) is None
    assert read_name("shop_99-99-2026.sql.gz", UTC, pattern).low_s is None
    assert read_name("shop_02.11.21", ZoneInfo("Europe/Zurich"), compiled("{database}_%H.%M.%S")).low_s is None
    for bad in ("%Y.sql", "{database}-%Y-%Y.sql"):
        with pytest.raises(BadPattern):
            compiled(bad)


def test_the_zone_of_a_name_counts_unless_it_says_utc():
    zurich = ZoneInfo("Europe/Zurich")
    assert read_name("shop_20261121_030000.sql", zurich).low_s == AT
    assert read_name("shop_20261121T020000Z.sql", zurich).low_s == AT


def test_a_day_is_narrowed_by_the_date_of_its_file():
    [copy] = copies_in("p", [Entry("shop-2026-11-21.sql", 10, AT + 60)], Reading(UTC))
    assert (copy.taken.low_s, copy.taken.high_s, copy.taken.by) == (AT - 7200, AT + 60, "name")


def test_a_folder_of_a_dump_is_one_backup():
    entries = [Entry("2026-11-21/shop/toc.dat", 5, AT), Entry("2026-11-21/shop/1.dat.gz", 95, AT - 9)]
    [copy] = copies_in("p", entries, Reading(UTC))
    assert (copy.database, copy.bytes, copy.first_file) == ("shop", 100, "2026-11-21/shop/toc.dat")


def test_a_header_outweighs_the_date_of_a_file_and_corrects_a_name_only_beyond_every_zone():
    [dated] = copies_in("p", [Entry("shop.dump", 10, AT)], Reading(UTC))
    copy, found = with_header(dated, Header("archive", "shop", datetime.fromisoformat("2026-11-21 01:00")), UTC)
    assert (copy.taken.by, copy.taken.low_s, found) == ("header", AT - 3600, [])
    [named] = copies_in("p", [Entry("shop-20261121T020000Z.dump", 10, AT)], Reading(UTC))
    same, found = with_header(named, Header("archive", "shop", datetime.fromisoformat("2026-11-20 16:00")), UTC)
    assert (same, found) == (named, [])
    other, [difference] = with_header(named, Header("archive", "shop", datetime.fromisoformat("2026-11-19 02:00")), UTC)
    assert difference.code == "backup-older-than-it-looks"
    assert other.taken.high_s < AT - 86400


@pytest.mark.parametrize(
    ("begin", "form"),
    [
        (b"", "empty"),
        (b"PGDMP", "archive"),
        (b"PGDMP\x01\x0e\x00\x04\x08\x01" + b"\xff" * 40, "archive"),
        (b"-- PostgreSQL database dump\n", "plain"),
        (b"--\n-- PostgreSQL database dump\n--\n", "plain"),
        (b"Salted__abc", "encrypted"),
        (b"-----BEGIN PGP MESSAGE-----", "encrypted"),
        (b"\x85\x02\x0c\x03" + b"x" * 30, "encrypted"),
        (b"\x28\xb5\x2f\xfdabc", "compressed"),
        (b"\x1f\x8bnonsense", "unknown"),
        (b"\x00" * 600, "unknown"),
        (b"hello", "unknown"),
    ],
)
def test_the_first_bytes(begin, form):
    assert read_header(begin).form == form


@pytest.mark.parametrize("name", ["Mars/Base", "", "../etc/passwd", "/etc/localtime"])
def test_a_time_zone_that_is_none_is_told_in_one_line(name):
    with pytest.raises(BadUsage, match="timezone: "):
        zone_of(name)
