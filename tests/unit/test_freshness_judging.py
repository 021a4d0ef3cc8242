"""The judges of the nightly look: what each makes of plain data."""

from datetime import UTC, date, datetime, timedelta

import pytest

from chaoslab.backup.freshness import survey
from chaoslab.backup.freshness.concluding import worst_loss
from chaoslab.backup.freshness.evidence import Copy, Instant, by_database
from chaoslab.backup.freshness.judge_age import judge_ages, judge_coverage, newest_by_place, split_future
from chaoslab.backup.freshness.judge_archiver import judge_archiver, judge_clock
from chaoslab.backup.freshness.judge_retention import BadPolicy, Calendar, judge_retention, missing_days, parse_policy
from chaoslab.backup.freshness.judge_size import Sizes, judge_sizes
from chaoslab.backup.freshness.keeping import Protection, Rules, judge_protection
from chaoslab.backup.freshness.source import Server
from chaoslab.backup.retention import Policy

NOW = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)
NOW_S = NOW.timestamp()
HOUR_S, DAY_S = 3600.0, 86400.0


def copy(age_s=HOUR_S, *, database="shop", place="p", size=100_000, width_s=0.0, by="name", name=""):
    taken = Instant(NOW_S - age_s - width_s, NOW_S - age_s, by)
    return Copy(place, database, name or f"{database}-{age_s}.sql", taken, size)


def codes(found, severity="failure"):
    return [one.code for one in found if one.severity == severity]


def test_the_newest_in_each_place_counts():
    copies = [copy(HOUR_S), copy(40 * HOUR_S), copy(30 * HOUR_S, place="q")]
    found = judge_ages(newest_by_place(copies, NOW_S), max_age_s=26 * HOUR_S)
    assert [(one.code, one.where) for one in found] == [("backup-too-old", f"shop/q/shop-{30 * HOUR_S}.sql")]


def test_an_age_that_is_not_known_exactly_is_unknown_where_that_decides():
    found = judge_ages(newest_by_place([copy(HOUR_S, width_s=DAY_S * 2)], NOW_S), max_age_s=26 * HOUR_S)
    assert codes(found, "unknown") == ["backup-age-unclear"]


def test_a_clock_that_is_a_little_ahead_is_no_finding():
    assert split_future([copy(-60.0)], NOW_S)[1] == []
    assert codes(split_future([copy(-600.0)], NOW_S)[1]) == ["backup-from-the-future"]


def test_coverage_knows_patterns_servers_and_exclusions():
    found = judge_coverage({"shop@db-1", "left"}, {"shop", "users", "tmp_1"}, exclude=("tmp_*",))
    assert [(one.code, one.where) for one in found] == [
        ("database-without-backup", "users"),
        ("backup-of-unknown-database", "left"),
    ]
    assert judge_coverage({"a"}, None) == []


@pytest.mark.parametrize(
    ("sizes", "code"),
    [
        ([100, 100, 100, 50], "backup-shrunk"),
        ([100, 100, 100, 51], ""),
        ([100, 1, 100, 100, 101], ""),
        ([100, 900, 100, 100, 40], "backup-shrunk"),
        ([100, 100, 10], ""),
        ([100, 0], "backup-truncated"),
        ([1, 1, 1, 0.4], ""),
    ],
)
def test_sizes_against_the_median(sizes, code):
    copies = [copy((len(sizes) - n) * DAY_S, size=int(size * 1000)) for n, size in enumerate(sizes)]
    assert codes(judge_sizes(copies, Sizes())) == ([code] if code else [])


def test_a_backup_that_grew_is_a_warning():
    copies = [copy(n * DAY_S, size=400_000 if n == 0 else 100_000) for n in range(5)]
    assert codes(judge_sizes(copies, Sizes()), "warning") == ["backup-grown"]


def test_holes_are_named_by_date_and_rule_once_for_all_databases_alike():
    today = date(2026, 11, 21)
    copies = [
        copy((today - day).days * DAY_S + HOUR_S, database=name)
        for day in (today - timedelta(days=n) for n in range(40))
        for name in ("a", "b")
        if day != date(2026, 11, 10)
    ]
    found = judge_retention("p", copies, Policy(30, 90, 365), Calendar(today, UTC))
    assert codes(found) == ["retention-hole"] * 2
    assert "2026-11-10 (daily)" in found[-1].message
    assert "of a, b" in found[-1].message


def test_a_week_and_a_month_are_kept_by_any_backup_in_them():
    today = date(2026, 11, 21)
    daily = {today - timedelta(days=n) for n in range(30)}
    weekly = {date(2026, 8, 30), *(date(2026, 10, 18) - timedelta(days=7 * n + 1 - 6) for n in range(7))}
    missing = missing_days(daily | weekly, Policy(30, 90, 365), today, begin=date(2026, 8, 23))
    assert set(missing.values()) <= {"weekly"}
    assert date(2026, 8, 30) not in missing


def test_policies_as_people_write_them():
    assert parse_policy("daily=30d weekly=90d monthly=365d") == Policy(30, 90, 365)
    assert parse_policy("daily: 7 days") == Policy(7, 0, 0)
    assert parse_policy("") == Policy(0, 0, 0)
    for bad in ("7d", "daily=7d yearly=3d", "daily=x"):
        with pytest.raises(BadPolicy):
            parse_policy(bad)


def server(**changes):
    said = {"databases": ("a",), "archive_mode": "on", "archive_timeout_s": 60.0, "segment_bytes": 2**24}
    said |= {"archived": 5, "last_archived": "000000010000000000000005", "last_archived_s": NOW_S - 30, "failed": 0}
    said |= {"last_failed": "", "last_failed_s": None, "lsn": 6 * 2**24 + 500_000, "now_s": NOW_S, "skew_s": (0.0, 0.1)}
    return Server(**(said | changes))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"archive_mode": "off"}, ["archive-off"]),
        ({"last_archived_s": NOW_S - 3 * HOUR_S}, ["archive-stopped"]),
        ({"last_archived_s": NOW_S - 3 * HOUR_S, "lsn": 6 * 2**24 + 200}, []),
        ({"last_archived_s": None, "last_archived": ""}, ["archive-stopped"]),
        ({"failed": 3, "last_failed": "x", "last_failed_s": NOW_S - 5}, ["archive-failing"]),
        ({"failed": 3, "last_failed": "x", "last_failed_s": NOW_S - 50}, []),
    ],
)
def test_what_a_server_says_of_its_archiving(changes, expected):
    assert codes(judge_archiver(server(**changes), max_age_s=900, wal_expected=True)) == expected


def test_clocks_that_differ():
    assert judge_clock(server(skew_s=(-200.0, -100.0))) == []
    assert codes(judge_clock(server(skew_s=(-4000.0, -3999.0))), "unknown") == ["clock-skew"]


def test_what_a_bucket_does_not_show_is_unknown():
    rules = Rules(versioned=True, locked=True)
    assert codes(judge_protection("b", Protection(), rules), "unknown") == ["bucket-not-versioned", "bucket-not-locked"]
    assert codes(judge_protection("b", Protection("Suspended", ""), rules)) == [
        "bucket-not-versioned",
        "bucket-not-locked",
    ]
    assert codes(judge_protection("b", Protection("Enabled", "COMPLIANCE 30 days"), rules)) == []


@pytest.mark.parametrize(
    ("ages", "without", "by_wal", "loss"),
    [
        ({}, [], None, None),
        ({"a": [1, 2], "b": [5, 9]}, [], None, (5, 9)),
        ({"a": [1, 2]}, ["b"], None, (1, None)),
        ({}, ["b"], None, (0.0, None)),
        ({"a": [100, 200]}, [], [10, 20], (10, 20)),
        ({"a": [1, 2]}, ["b"], [10, 20], (10, 20)),
        ({}, [], [10, 20], (10, 20)),
    ],
)
def test_the_worst_off_database_by_its_best_way_back(ages, without, by_wal, loss):
    assert worst_loss(ages, without, by_wal) == loss


def test_what_was_seen_is_read_back_by_another_process(tmp_path):
    seen = survey.Seen("p", "dumps", remote=False, files=3, copies=[copy(), copy(9.0)], expected={"x": [{"bytes": 1}]})
    file = survey.keep([seen], tmp_path)
    elsewhere = tmp_path / "copy.json"
    elsewhere.write_bytes(file.read_bytes())
    assert survey.kept(elsewhere) == survey.kept(file) == [seen]


def test_copies_are_in_the_order_of_their_instants():
    assert [one.taken.low_s for one in by_database([copy(1), copy(9), copy(5)])["shop"]] == sorted(
        NOW_S - age for age in (1, 5, 9)
    )
