"""What pg_amcheck says becomes one finding a table or index, without the values of rows."""

from chaoslab.postgres.proofs.amcheck import damages

SAID = """btree index "shop.public.by_word":
    ERROR:  heap tuple (0,5) from table "looked_up" lacks matching index tuple within index "by_word"
    DETAIL:  secret value
heap table "shop.public.orders", block 3, offset 7:
    xmin 4 precedes relation freeze threshold 0:700
heap table "shop.public.orders", block 4, offset 1:
    more of it
"""


def test_each_thing_is_told_once_with_its_first_complaint():
    index, table = damages(SAID)
    assert (index.code, index.where) == ("index-corrupt", "public.by_word")
    assert (table.code, table.where) == ("table-corrupt", "public.orders")
    assert table.message == "table public.orders: xmin 4 precedes relation freeze threshold 0:700"
    assert "secret" not in index.message


def test_nothing_said_is_nothing_found():
    assert list(damages("")) == []
