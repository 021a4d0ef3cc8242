"""No password of a connection string is written, however it is spelled."""

import pytest

from chaoslab.core.masking import mask_passwords, passwords_in


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://app:hunter2@db/x",
        "postgresql://app:hun%40ter2-hunter2@[::1]:5432/x",
        "postgresql://db/x?user=app&password=hunter2&sslmode=require",
        "postgresql://db/x?sslpassword=hunter2",
        "host=db password=hunter2 dbname=x",
        r"host=db password = 'it\'s hunter2' dbname=x",
        "host=db oauth_client_secret=hunter2",
        "PGPASSWORD=hunter2 psql",
    ],
)
def test_a_password_is_masked(text):
    masked = mask_passwords(text)
    assert "hunter2" not in masked
    assert mask_passwords(masked) == masked
    assert any("hunter2" in found for found in passwords_in(text))


def test_a_quoted_password_is_known_as_it_is_meant():
    assert "it's" in list(passwords_in(r"host=db password='it\'s'"))


@pytest.mark.parametrize("text", ["tokens 5", "rows = 5", "https://db/x?user=app", "passwords are a nuisance"])
def test_what_is_no_password_stays(text):
    assert mask_passwords(text) == text


@pytest.mark.parametrize(
    "text", ["x" * 500_000, "x" * 500_000 + "://", "x." * 250_000 + "=", "a://" * 100_000 + "a://:"]
)
def test_a_long_text_without_a_password_comes_to_an_end(text):
    assert list(passwords_in(text)) == []
    assert mask_passwords(text) == text


@pytest.mark.parametrize("before", ["", " ", "(", "7", "x7", "dsn="])
def test_an_address_is_masked_wherever_it_begins(before):
    assert mask_passwords(f"{before}postgresql://u:geheim@h/d") == f"{before}postgresql://u:***@h/d"
