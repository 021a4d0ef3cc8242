"""Errors: one line for people, an exit code for scripts."""

from __future__ import annotations

import copy
import pickle

import pytest

from chaoslab.core.errors import (
    Aborted,
    BadFile,
    BadUsage,
    ChaoslabError,
    ExitCode,
    Missing,
    NoSession,
    Problem,
    Refused,
    Residue,
)


def _problem(line: int, column: int = 1, message: str = "it is wrong") -> Problem:
    return Problem(file="a.yaml", line=line, column=column, code="x", message=message, hint="write it right")


def test_a_problem_is_one_line_that_editors_link() -> None:
    assert str(_problem(14, 9)) == "a.yaml:14:9: it is wrong; write it right"
    assert str(Problem("a.yaml", 1, 1, "x", "it is wrong")) == "a.yaml:1:1: it is wrong"
    assert str(_problem(0, 0)) == "a.yaml: it is wrong; write it right"


def test_a_bad_file_tells_all_problems_in_the_order_of_the_file() -> None:
    error = BadFile([_problem(9), _problem(2, 5), _problem(2, 1)])
    assert [(p.line, p.column) for p in error.problems] == [(2, 1), (2, 5), (9, 1)]
    assert len(str(error).splitlines()) == 3


def test_a_bad_file_without_problems_makes_no_sense() -> None:
    with pytest.raises(ValueError, match="at least one problem"):
        BadFile([])


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (ChaoslabError("oh"), ExitCode.BROKEN, "oh"),
        (BadUsage("no such name"), ExitCode.USAGE, "no such name"),
        (BadFile([_problem(1)]), ExitCode.USAGE, "a.yaml:1:1: it is wrong; write it right"),
        (Refused("lock", "busy"), ExitCode.REFUSED, "refused by lock: busy"),
        (
            Missing("pg_dump", "install postgresql"),
            ExitCode.REFUSED,
            "pg_dump is missing; install postgresql",
        ),
        (Residue("one fault is open"), ExitCode.RESIDUE, "one fault is open"),
        (Aborted("SIGINT"), ExitCode.FAILED, "aborted: SIGINT"),
    ],
)
def test_every_error_has_a_line_an_exit_code_and_survives_copying(
    error: ChaoslabError, code: ExitCode, text: str
) -> None:
    assert error.exit_code == code
    for twin in (error, copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert str(twin) == text
        assert type(twin) is type(error)


def test_no_session_says_how_to_get_one() -> None:
    assert isinstance(NoSession(), Refused)
    assert "chaoslab run" in str(NoSession())
    assert str(pickle.loads(pickle.dumps(NoSession()))) == str(NoSession())


def test_the_exit_codes_are_a_contract() -> None:
    assert {code.name: int(code) for code in ExitCode} == {
        "PASSED": 0,
        "BROKEN": 1,
        "USAGE": 2,
        "FAILED": 10,
        "INCONCLUSIVE": 11,
        "REFUSED": 12,
        "RESIDUE": 13,
        "SIGHUP": 129,
        "SIGINT": 130,
        "SIGTERM": 143,
    }
