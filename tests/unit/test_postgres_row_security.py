"""Which rows a role must see, from the facts alone."""

import pytest

from chaoslab.core.errors import BadUsage
from chaoslab.postgres.proofs.row_security import RowSecurity, Viewer, parse_viewers

TABLE = "shop.sale"


def policy(using, *roles, command="all", permissive=True):
    return {"permissive": permissive, "command": command, "roles": list(roles), "using": using}


def facts(forced=False, **policies):
    people = ("owner", "app", "clerk", "Odd one", "boss")
    return {
        "row_security": {TABLE: {"enabled": True, "forced": forced}, "shop.off": {"enabled": False, "forced": True}},
        "policies": {f"{TABLE}.{name}": one for name, one in policies.items()},
        "roles": {
            f'"{name}"' if " " in name else name: {"superuser": name == "boss", "bypassrls": False, "inherit": True}
            for name in people
        },
        "memberships": {'clerk in "Odd one"': {"admin": False}, "app in clerk": {"inherit": False}},
        "owners": {f"table {TABLE}": {"owner": "owner"}},
        "grants": {
            f"select on table {TABLE} to public": {},
            f"select on table {TABLE} to app": {},
            f'select on column {TABLE}.id to "Odd one"': {},
            f"insert on table {TABLE} to clerk": {},
        },
    }


@pytest.mark.parametrize(
    ("text", "viewers"),
    [
        ("", ()),
        ("app", (Viewer("app"),)),
        ("app, app.tenant=7; audit", (Viewer("app", (("app.tenant", "7"),)), Viewer("audit"))),
        (
            'a, claims={"x": 1, "y": 2}, app.user = b=c',
            (Viewer("a", (("claims", '{"x": 1, "y": 2}'), ("app.user", "b=c"))),),
        ),
    ],
)
def test_who_reads_is_read(text, viewers):
    assert parse_viewers(text) == viewers


@pytest.mark.parametrize("text", ["app.tenant=7", ", a=b", "a, b"])
def test_who_reads_must_be_a_role(text):
    with pytest.raises(BadUsage, match="row_security_as"):
        parse_viewers(text)


def test_tables_without_policies_in_force_are_left_out():
    assert RowSecurity(facts()).tables() == [TABLE]


def test_the_readers_are_those_that_policies_name_or_that_may_read():
    named = RowSecurity(facts(one=policy("a", "app"), two=policy("b", "Odd one")))
    assert [one.role for one in named.readers(TABLE)] == ["Odd one", "app"]
    everybody = RowSecurity(facts(one=policy("a", "public"), two=policy("b", "clerk"), forced=True))
    assert [one.role for one in everybody.readers(TABLE)] == ["Odd one", "app", "clerk", "owner"]


@pytest.mark.parametrize(
    ("role", "condition"),
    [
        ("boss", "true"),
        ("owner", "true"),
        ("app", "((a) OR (b)) AND (r)"),
        ("clerk", "((a) OR (c))"),  # by membership in "Odd one"
        ("stranger", "((a))"),
    ],
)
def test_what_a_role_must_see(role, condition):
    rules = RowSecurity(
        facts(
            a=policy("a", "public"),
            b=policy("b", "app", command="select"),
            c=policy("c", "Odd one"),
            r=policy("r", "app", permissive=False),
            writing=policy("w", "public", command="update"),
        )
    )
    assert rules.condition(TABLE, role) == condition


def test_without_a_policy_nothing_and_with_force_the_owner_too():
    assert RowSecurity(facts(one=policy("a", "clerk"))).condition(TABLE, "app") == "false"
    assert RowSecurity(facts(forced=True)).condition(TABLE, "owner") == "false"
    assert RowSecurity(facts(one=policy("true", "app"), two=policy("a", "app"))).condition(TABLE, "app") == "true"
