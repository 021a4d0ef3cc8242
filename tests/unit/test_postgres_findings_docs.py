"""docs/findings.md and the code agree on every code and its severity."""

import re
from pathlib import Path

from chaoslab.postgres.codes import CODES

PAGE = Path(__file__).parents[2] / "docs" / "findings.md"
ROW = re.compile(r"^\| (?P<codes>`[^|]+`) \| (?P<severity>\w+) \| (?P<text>.+) \|$", re.MULTILINE)
ANY_EXERCISE = "## Any exercise"


def documented():
    text = PAGE.read_text()
    before, _, rest = text.partition(ANY_EXERCISE)
    ours = before + rest.partition("\n## ")[2]
    return {
        code: (row["severity"], row["text"])
        for row in ROW.finditer(ours)
        for code in re.findall(r"`([a-z-]+)`", row["codes"])
    }


def test_every_code_is_documented_and_no_other():
    assert documented().keys() == CODES.keys()


def test_the_severities_agree():
    assert {code: severity for code, (severity, _) in documented().items()} == CODES


def test_every_code_is_in_kebab_case():
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", code) for code in CODES)


def test_every_row_says_what_it_is_about():
    assert all(len(text) > 8 for _, text in documented().values())
