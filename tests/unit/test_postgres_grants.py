"""Grants whose grantor cannot be the grantor of a scratch server."""

import pytest

from chaoslab.postgres.logical.grants import without_foreign_grantors


@pytest.mark.parametrize(
    ("told", "settled"),
    [
        ("GRANT readers TO report GRANTED BY postgres;", "GRANT readers TO report;"),
        (
            "GRANT readers TO report WITH INHERIT TRUE GRANTED BY postgres;",
            "GRANT readers TO report WITH INHERIT TRUE;",
        ),
        (
            'GRANT "read ""all""; quickly" TO "a b" WITH ADMIN OPTION, INHERIT FALSE GRANTED BY "the boss";',
            'GRANT "read ""all""; quickly" TO "a b" WITH ADMIN OPTION, INHERIT FALSE;',
        ),
        ("GRANT readers TO report;", "GRANT readers TO report;"),
        ("CREATE ROLE postgres;\nALTER ROLE postgres WITH SUPERUSER;", None),
        ("COMMENT ON ROLE report IS 'GRANT a TO b GRANTED BY c; or not';", None),
    ],
)
def test_what_the_first_superuser_granted_is_granted_by_ours(told, settled):
    assert without_foreign_grantors(told) == (settled or told)


def test_a_grantor_who_holds_the_role_with_admin_option_stays():
    script = "\n".join(
        [
            "GRANT readers TO lead WITH ADMIN OPTION, INHERIT TRUE GRANTED BY postgres;",
            "GRANT readers TO report WITH INHERIT TRUE GRANTED BY lead;",
            "GRANT writers TO report WITH INHERIT TRUE GRANTED BY lead;",
        ]
    )
    assert without_foreign_grantors(script).splitlines() == [
        "GRANT readers TO lead WITH ADMIN OPTION, INHERIT TRUE;",
        "GRANT readers TO report WITH INHERIT TRUE GRANTED BY lead;",
        "GRANT writers TO report WITH INHERIT TRUE;",
    ]
