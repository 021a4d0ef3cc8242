"""Definitions that mean the same come to the same text."""

import pytest

from chaoslab.postgres.comparison.definitions import excerpt, normalised

CAST_OUTSIDE = "(ARRAY['new'::character varying, 'old'::character varying])::text[]"
CAST_INSIDE = "ARRAY[('new'::character varying)::text, ('old'::character varying)::text]"


def test_a_cast_of_an_array_moves_into_its_elements():
    before = f"CHECK (((status)::text = ANY ({CAST_OUTSIDE})))"
    assert normalised(before) == f"CHECK (((status)::text = ANY ({CAST_INSIDE})))"


def test_what_a_restored_server_writes_stays_as_it_is():
    assert normalised(CAST_INSIDE) == CAST_INSIDE
    assert normalised(normalised(CAST_OUTSIDE)) == normalised(CAST_OUTSIDE)


def test_commas_and_brackets_inside_values_split_nothing():
    before = "(ARRAY['a, b'::character varying, 'it''s ])::text[]'::character varying])::text[]"
    after = "ARRAY[('a, b'::character varying)::text, ('it''s ])::text[]'::character varying)::text]"
    assert normalised(before) == after


def test_several_arrays_in_one_definition():
    both = normalised(f"a = ANY ({CAST_OUTSIDE}) OR b = ANY ({CAST_OUTSIDE})")
    assert both == f"a = ANY ({CAST_INSIDE}) OR b = ANY ({CAST_INSIDE})"


@pytest.mark.parametrize(
    "text", ["", "(ARRAY[", "(ARRAY[1, 2])", "(ARRAY[1, 2])::", "(ARRAY[1, 2])::int", "'(ARRAY[1])::text[]", "(ARRAY['"]
)
def test_anything_else_is_left_alone(text):
    assert normalised(text) == text


def test_an_excerpt_shows_where_two_texts_part():
    long = "x" * 500
    one, other = excerpt(f"{long} total {long}", f"{long} amount {long}")
    assert "total" in one
    assert "amount" in other
    assert len(one) < 150
