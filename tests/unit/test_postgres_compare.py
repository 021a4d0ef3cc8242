"""Differences between facts, without a database."""

import copy
import json

import pytest

from chaoslab.postgres.codes import CODES, NOUNS
from chaoslab.postgres.comparison.compare import compare, condensed
from chaoslab.postgres.comparison.content import upcoming
from chaoslab.postgres.difference import Difference


def facts(**content):
    """Facts of a small database."""
    structure = {kind: {} for kind in NOUNS}
    structure["tables"] = {"public.a": {"kind": "table"}, "public.b": {"kind": "table"}}
    structure["columns"] = {"public.a.id": {"type": "integer"}, "public.b.id": {"type": "integer"}}
    structure["indexes"] = {"public.a_key": {"table": "public.a", "definition": "CREATE INDEX ...", "valid": True}}
    structure["policies"] = {"public.a.own": {"using": "(x = 1)"}}
    structure["owners"] = {"table public.a": {"owner": "app"}}
    structure["grants"] = {"select on table public.a to app": {"grantable": False}}
    structure["sequence_rules"] = {"public.s": {"increment": 1}}
    rows = {"public.a": {"rows": 10, "digest": "1"}, "public.b": {"rows": 0, "digest": "0"}, **content}
    return {
        "server": {"major": 15},
        "database": {"encoding": "UTF8", "collate": "C"},
        "structure": structure,
        "content": rows,
        "sequences": {"public.s": {"last_value": 10, "is_called": True}},
        "large_objects": {"count": 0, "digest": "0"},
    }


def changed(path, value, base=None):
    """Facts with one thing changed; None takes it out."""
    found = copy.deepcopy(base or facts())
    part = found
    for key in path[:-1]:
        part = part[key]
    if value is None:
        del part[path[-1]]
    else:
        part[path[-1]] = value
    return found


def codes(expected, actual):
    return [one.code for one in compare(expected, actual)]


def test_the_same_facts_are_no_different():
    assert compare(facts(), json.loads(json.dumps(facts()))) == []


@pytest.mark.parametrize(
    ("path", "value", "code"),
    [
        (("content", "public.a"), {"rows": 9, "digest": "1"}, "row-count-differs"),
        (("content", "public.a"), {"rows": 10, "digest": "2"}, "content-differs"),
        (("content", "public.a"), {"rows": 0, "digest": "0"}, "data-missing"),
        (("sequences", "public.s"), {"last_value": 9, "is_called": True}, "sequence-behind"),
        (("sequences", "public.s"), {"last_value": 10, "is_called": False}, "sequence-behind"),
        (("sequences", "public.s"), {"last_value": 11, "is_called": True}, "sequence-ahead"),
        (("large_objects",), {"count": 1, "digest": "5"}, "large-objects-differ"),
        (("database", "encoding"), "LATIN1", "database-differs"),
        (("structure", "policies", "public.a.own"), None, "policy-missing"),
        (("structure", "policies", "public.a.own"), {"using": "true"}, "policy-differs"),
        (("structure", "indexes", "public.a_key"), None, "index-missing"),
        (("structure", "owners", "table public.a"), {"owner": "root"}, "owner-differs"),
        (("structure", "views", "public.v"), {"definition": "SELECT 1"}, "object-unexpected"),
    ],
)
def test_one_change_is_one_difference(path, value, code):
    found = compare(facts(), changed(path, value))
    assert [one.code for one in found] == [code]
    assert found[0].severity == "failure"


def test_a_sequence_may_stand_anywhere_between_the_readings_around_the_dump():
    expected = {**facts(), "sequences_after": {"public.s": {"last_value": 15, "is_called": True}}}
    for last, code in ((10, []), (13, []), (15, []), (9, ["sequence-behind"]), (16, ["sequence-ahead"])):
        actual = changed(("sequences", "public.s"), {"last_value": last, "is_called": True})
        assert codes(expected, actual) == code


def test_a_falling_sequence_is_behind_when_it_is_higher():
    base = changed(("structure", "sequence_rules", "public.s"), {"increment": -1})
    actual = changed(("sequences", "public.s"), {"last_value": 12, "is_called": True}, base)
    assert codes(base, actual) == ["sequence-behind"]


def test_what_comes_next_depends_on_whether_the_sequence_was_called():
    assert upcoming({"last_value": 1, "is_called": False}, 7) == 1
    assert upcoming({"last_value": 1, "is_called": True}, 7) == 8


def test_what_hangs_on_a_missing_table_is_not_told_again():
    actual = facts()
    for kind in ("columns", "policies"):
        actual["structure"][kind] = {k: v for k, v in actual["structure"][kind].items() if ".a." not in k}
    for kind in ("indexes", "owners", "grants"):
        actual["structure"][kind] = {}
    del actual["structure"]["tables"]["public.a"]
    del actual["content"]["public.a"]
    found = compare(facts(), actual)
    assert [one.code for one in found] == ["table-missing"]
    assert "hangs on it" in found[0].message


def test_an_invalid_index_is_no_loss():
    base = changed(("structure", "indexes", "public.a_key", "valid"), False)
    found = compare(base, changed(("structure", "indexes", "public.a_key"), None, base))
    assert [(one.code, one.severity) for one in found] == [("invalid-index-left-out", "note")]


def test_a_materialized_view_that_was_computed_anew_is_no_loss():
    base = facts(**{"public.m": {"rows": 1, "digest": "1", "materialized": True}})
    found = compare(base, changed(("content", "public.m", "rows"), 2, base))
    assert [(one.code, one.severity) for one in found] == [("materialized-view-refreshed", "note")]


def test_another_major_version_may_word_a_definition_anew():
    newer = changed(("server", "major"), 17, changed(("structure", "policies", "public.a.own"), {"using": "(x = 2)"}))
    assert [(one.code, one.severity) for one in compare(facts(), newer)] == [("policy-differs", "unknown")]


def test_structure_alone_compares_no_rows():
    structure_only = {key: value for key, value in facts().items() if key not in {"content", "sequences"}}
    assert compare(structure_only, changed(("content", "public.a", "rows"), 1)) == []


def test_the_use_of_a_role_is_no_attribute_of_it():
    base = changed(("structure", "roles", "app"), {"login": True, "used": True})
    assert compare(base, changed(("structure", "roles", "app", "used"), False, base)) == []


def test_every_code_that_can_come_up_is_known():
    for noun in NOUNS.values():
        assert {f"{noun}-missing", f"{noun}-differs"} <= CODES.keys()


def test_many_differences_of_one_kind_are_condensed():
    many = [Difference("grant-missing", f"grant {number}", "gone") for number in range(40)]
    kept = condensed([*many, Difference("role-missing", "app", "gone")], limit=10)
    assert [one.code for one in kept].count("grant-missing") == 11
    assert "30 more" in kept[-1].message
    assert any(one.code == "role-missing" for one in kept)


def test_facts_of_an_older_chaoslab_are_compared_in_what_they_hold():
    older = facts()
    for kind in ("tablespaces", "security_labels", "subscriptions"):
        del older["structure"][kind]
    newer = changed(("structure", "columns", "public.a.id"), {"type": "integer", "position": 1})
    newer["structure"]["security_labels"]["table public.a by guard"] = {"md5": "1"}
    assert compare(older, {**newer, "format": 2}) == []
    assert codes({**facts(), "format": 2}, {**newer, "format": 2}) == ["column-differs", "object-unexpected"]


def test_digests_of_different_kinds_are_not_held_against_each_other():
    actual = {**changed(("content", "public.a"), {"rows": 10, "digest": "2"}), "row_hash": "columns"}
    assert [(one.code, one.severity) for one in compare(facts(), actual)] == [("rows-not-compared", "unknown")]


def test_counts_alone_are_compared_with_counts():
    counted = facts(**{"public.a": {"rows": 10}, "public.b": {"rows": 0}})
    assert compare(facts(), counted) == []
    assert codes(facts(), changed(("content", "public.a", "rows"), 9, counted)) == ["row-count-differs"]
    assert codes(counted, facts()) == ["rows-not-compared"]


@pytest.mark.parametrize(
    ("source", "restored", "severities"),
    [
        ({"collation_version": "1"}, {"collation_version": "1", "collation_version_here": "1"}, []),
        ({"collation_version": "1"}, {"collation_version": "2", "collation_version_here": "2"}, ["warning"]),
        ({"collation_version": "1"}, {"collation_version": "1", "collation_version_here": "2"}, ["failure"]),
        ({}, {"stale_collations": ["german"]}, ["failure"]),
        ({}, {}, []),
    ],
)
def test_another_version_of_a_collation_is_told(source, restored, severities):
    expected, actual = facts(), facts()
    expected["database"] |= source
    actual["database"] |= restored
    found = compare(expected, actual)
    assert [one.severity for one in found] == severities
    assert {one.code for one in found} <= {"collation-version-differs"}


def test_where_a_table_lies_is_no_failure():
    base = {**changed(("structure", "tables", "public.a", "tablespace"), "fast"), "format": 2}
    assert [(one.code, one.severity) for one in compare(base, {**facts(), "format": 2})] == [
        ("table-differs", "warning")
    ]
