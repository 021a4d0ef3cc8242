"""Whatever the bytes are, the answer is data or problems; and places are where things stand."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from chaoslab.core.document import Document, read_document
from chaoslab.core.positions import Path

YAMLISH = st.text(alphabet=st.sampled_from(list("ab:-[]{},&*!|>'\"#%@`<?~=\n\t \\0179._xun")), max_size=60)
LEAVES = st.none() | st.booleans() | st.integers(-(10**12), 10**12) | st.text(max_size=12)
KEYS = st.text(min_size=1, max_size=8)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12
)


def _is_sound(document: Document, text: str | bytes) -> None:
    lines = (text if isinstance(text, str) else text.decode("utf-8", "replace")).count("\n") + 1
    lines += len(text)  # YAML knows more line ends than we count here
    json.dumps(document.data, allow_nan=False).encode("utf-8")
    for problem in (*document.problems, *document.traps):
        assert 1 <= problem.line <= lines
        assert problem.column >= 1
        assert "\n" not in str(problem)


@pytest.mark.parametrize("file", ["a.yaml", "a.json"])
@given(text=st.text(max_size=80) | YAMLISH)
@example(text='"\\UFFFFFFFF"')
@example(text="%YAML 9.9\n---\n")
@example(text="!<tag:a> x")
@example(text="? [a]\n: b")
def test_any_text_gives_data_or_problems(file: str, text: str) -> None:
    _is_sound(read_document(text, file), text)


@pytest.mark.parametrize("file", ["a.yaml", "a.json"])
@given(data=st.binary(max_size=80))
def test_any_bytes_give_data_or_problems(file: str, data: bytes) -> None:
    _is_sound(read_document(data, file), data)


PIECES = st.sampled_from(
    ["a", "b: ", "- ", "? ", "\n", "\n  ", "[", "]", "{", "}", ", ", ": ", "&x ", "*x", "<<: ", "'", '"', "|\n  "]
) | st.sampled_from(
    ["#c", "!!str ", "!!int ", "12", "0x1F", "1.5", "true", "~", "no", "12:30:00", "2024-01-01", "1e3", "-1", ".5"]
)


@given(text=st.lists(PIECES, max_size=12).map("".join))
@example(text="!!int true")
@example(text="!!int -1: a")
def test_without_problem_and_trap_we_read_what_chaos_toolkit_reads(text: str) -> None:
    document = read_document(text, "a.yaml")
    if not document.problems and not document.traps:
        assert document.data == yaml.safe_load(text)


@given(value=VALUES)
def test_json_reads_back_with_a_place_for_every_value(value: Any) -> None:
    document = read_document(json.dumps(value, indent=1), "a.json")
    assert document.problems == ()
    assert document.data == value
    assert set(document.positions.values) == set(_paths(value))


@given(value=VALUES)
def test_yaml_reads_back_and_each_leaf_stands_where_it_is_said_to(value: Any) -> None:
    text = yaml.safe_dump(value, default_style='"', allow_unicode=False, width=10_000)
    document = read_document(text, "a.yaml")
    assert document.problems == ()
    assert document.data == value
    lines = text.split("\n")
    for path in _paths(value):
        place = document.positions.of_value(path)
        assert lines[place.line - 1][place.column - 1] in '"!-[{?'
        if path and isinstance(path[-1], str):
            key = document.positions.of_key(path)
            assert lines[key.line - 1][key.column - 1] in '"?'


def _paths(value: Any, path: Path = ()) -> list[Path]:
    found = [path]
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found += _paths(inner, (*path, key))
    return found
