"""The pieces of a drill over many databases that need no server."""

import os
import threading

import pytest

from chaoslab.core.errors import BadUsage
from chaoslab.core.several import connection_strings
from chaoslab.postgres.fleet.capacity import room_for
from chaoslab.postgres.fleet.members import Member, members_of, patterns_of, servers_of
from chaoslab.postgres.fleet.stored import stored_dumps
from chaoslab.postgres.logical.pace import Pace, size_of
from chaoslab.runtime.workers import Workers

PLAIN = b"--\n-- PostgreSQL database dump\n--\n"


def member(name, size):
    return Member(name, "db:5432", name, size)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("postgresql://a@b/c", ["postgresql://a@b/c"]),
        ("postgresql://a@b/c; postgres://d@e/f", ["postgresql://a@b/c", "postgres://d@e/f"]),
        ("host=a dbname=b\nhost=c dbname=d\n", ["host=a dbname=b", "host=c dbname=d"]),
        ("postgresql://a:x;y@b/c", ["postgresql://a:x;y@b/c"]),
        (["host=a", " "], ["host=a"]),
        ("", []),
    ],
)
def test_one_or_many_connection_strings(text, found):
    assert connection_strings(text) == found


def test_servers_are_called_after_their_address():
    assert [one.label for one in servers_of("host=a; postgresql://u:p@b:6000/x")] == ["a:5432", "b:6000"]
    assert servers_of("host=a")[0].name_of("shop") == "shop"
    assert servers_of("host=a; host=b")[1].name_of("shop") == "b:5432/shop"


@pytest.mark.parametrize("text", ["", "host=a; host=a dbname=other"])
def test_a_server_is_named_once(text):
    with pytest.raises(BadUsage):
        servers_of(text)


def test_databases_are_names_and_patterns():
    assert patterns_of("a, b_* all") == ["a", "b_*", "all"]
    with pytest.raises(BadUsage, match="write all"):
        patterns_of(" ")


def test_the_largest_comes_first():
    handed = [member(name, size).to_json() for name, size in (("b", 5), ("a", 5), ("c", 9))]
    assert [one.name for one in members_of(handed)] == ["c", "a", "b"]


def test_the_room_grows_with_what_is_there_at_the_same_time():
    fleet = [member("a", 100), member("b", 300)]
    rooms = [room_for(fleet, servers=1, dumps_at_once=count) for count in (0, 1, 2)]
    assert rooms == sorted(set(rooms))
    assert rooms[0] >= 400


def test_workers_do_all_and_bound_how_many_at_once():
    at_once, most, lock, done = 0, 0, threading.Lock(), []
    together = threading.Barrier(2, timeout=30)

    def work(item):
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        together.wait()
        with lock:
            at_once -= 1
            done.append(item)

    Workers(range(6), work, workers=2).run(lambda: None)
    assert (sorted(done), most) == ([0, 1, 2, 3, 4, 5], 2)


def test_workers_that_are_told_to_stop_begin_nothing_more():
    begun, released = [], threading.Event()

    def work(item):
        begun.append(item)
        released.wait(30)
        pool.check()

    pool = Workers(range(9), work, workers=2)

    def watch():
        if len(begun) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pool.run(watch, release=released.set)
    assert sorted(begun) == [0, 1]


def test_what_breaks_a_worker_is_told():
    def work(item):
        raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        Workers([1], work, workers=1).run(lambda: None)


def test_dumps_are_found_by_their_names_the_newest_first(tmp_path):
    names = ("shop_2026-01-30.sql", "shop_2026-01-31.sql", "billing.sql", "x.globals.sql", "notes.txt", "b.sql.partial")
    for name in names:
        (tmp_path / name).write_bytes(PLAIN)
    stored = stored_dumps(tmp_path, ["shop", "billing"], None)
    assert {name: [path.name for path in paths] for name, paths in stored.dumps.items()} == {
        "shop": ["shop_2026-01-31.sql", "shop_2026-01-30.sql"],
        "billing": ["billing.sql"],
    }
    assert stored.dump_of("shop", "db:5432").name == "shop_2026-01-31.sql"
    assert stored.dump_of("gone", "db:5432") is None
    assert stored.globals_of(tmp_path / "billing.sql", "db:5432").name == "x.globals.sql"


def test_a_dump_in_a_folder_of_another_server_is_not_taken(tmp_path):
    (tmp_path / "db-1").mkdir()
    (tmp_path / "db-1" / "shop.sql").write_bytes(PLAIN)
    stored = stored_dumps(tmp_path, ["shop"], None)
    assert stored.dump_of("shop", "db-1:5432") == tmp_path / "db-1" / "shop.sql"
    assert stored.dump_of("shop", "db-2:5432") is None


@pytest.mark.parametrize("inside", ["{}", '{"databases": [{"outcome": "ok"}]}', "torn"])
def test_a_set_that_cannot_be_understood_is_one_line(tmp_path, inside):
    (tmp_path / "set.json").write_text(inside)
    with pytest.raises(BadUsage, match="cannot be understood"):
        stored_dumps(tmp_path, [], None)


def test_a_store_whose_only_set_was_cut_off(tmp_path):
    (tmp_path / "20260131T020000Z.partial").mkdir()
    with pytest.raises(BadUsage, match="no whole backup set"):
        stored_dumps(tmp_path, [], None)


def test_who_has_written_more_than_the_bound_waits():
    pace = Pace(1000)
    assert not pace.written(0)
    assert pace.written(10**6)
    assert pace.written(0)


def test_the_size_of_a_dump_is_that_of_all_its_files(tmp_path):
    assert size_of(tmp_path / "gone") == 0
    for number in range(3):
        (tmp_path / str(number)).write_bytes(b"x" * 10)
    assert (size_of(tmp_path), size_of(tmp_path / "1")) == (30, 10)
    assert os.listdir(tmp_path)
