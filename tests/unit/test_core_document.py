"""A file's text becomes data with places, or problems that say what would be right."""

from __future__ import annotations

import json

import pytest

from chaoslab.core.document import Document, read_document
from chaoslab.core.positions import Place, path_text


def read(text: str | bytes, file: str = "a.yaml") -> Document:
    return read_document(text, file)


def told(document: Document) -> list[str]:
    return [str(problem) for problem in (*document.problems, *document.traps)]


def test_every_key_and_value_has_a_place() -> None:
    document = read("title: x\nmethod:\n  - name: kill\n    provider: {type: python}\n")
    assert document.data == {"title": "x", "method": [{"name": "kill", "provider": {"type": "python"}}]}
    places = document.positions
    assert places.of_key(("title",)) == Place(1, 1)
    assert places.of_value(("title",)) == Place(1, 8)
    assert places.of_key(("method", 0, "provider", "type")) == Place(4, 16)
    assert places.of_value(("method", 0, "provider", "type")) == Place(4, 22)
    assert places.of_value(("method", 0, "provider", "module")) == Place(4, 5)
    assert places.of_key(("nothing", "here")) == Place(1, 1)


def test_a_path_is_written_as_people_do() -> None:
    assert path_text(("method", 0, "provider", "module")) == "method[0].provider.module"
    assert path_text(()) == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "a: b\n\tc: d\n",
            ["a.yaml:2:1: a tab cannot indent or begin a value; indent with spaces"],
        ),
        (
            "a: b\na: c\n",
            ["a.yaml:2:1: the key 'a' is written twice, first on line 1; remove one: only the last would count"],
        ),
        (
            "a: 1\n---\nb: 2\n",
            ["a.yaml:2:1: a second document begins here; keep one, and remove the `---`"],
        ),
        (
            "title: one: two\n",
            [
                "a.yaml:1:11: a `key: value` is not possible here; "
                "line it up with its siblings, or put text that contains ': ' in quotes"
            ],
        ),
        (
            "allow: [*.example]\n",
            ["a.yaml:1:10: `*name` repeats an anchor; put text that begins with * in quotes"],
        ),
        (
            "allow: *name\n",
            [
                "a.yaml:1:8: `*name` repeats an anchor `&name`, and there is none above; "
                "put text that begins with * in quotes"
            ],
        ),
        ("a: 'open\n", ["a.yaml:1:4: the quote that opens here is never closed; close it"]),
        (
            "a: [1, 2\nb: 3\n",
            ["a.yaml:1:4: the list that opens here is not closed properly; check its commas and its ]"],
        ),
        (
            "a: @b\n",
            ["a.yaml:1:4: text cannot begin with this character; put the text in quotes"],
        ),
        (
            "a: !secret x\n",
            ["a.yaml:1:4: the tag !secret means nothing here; remove it, and put text that begins with ! in quotes"],
        ),
        (
            "url: {{host}}\n",
            ["a.yaml:1:7: a key must be text; put text that begins with { or [ in quotes"],
        ),
        (
            "a: &a [*a]\n",
            ["a.yaml:1:4: an alias repeats what contains it; remove the alias"],
        ),
        ("a: &a {<<: *a}\n", ["a.yaml:1:4: `<<` merges a mapping into itself; remove it"]),
        ("<<: 3\n", ["a.yaml:1:5: `<<` merges mappings only; write `<<: *anchor`"]),
        (
            "a: \x00\n",
            ["a.yaml:1:4: the character U+0000 is not allowed in YAML; remove it, or write it as an escape"],
        ),
        (
            'a: "\\ud800"\n',
            ["a.yaml:1:4: half of a surrogate pair is no character; write the character itself"],
        ),
        (b"a: b\nt\xc3\xa9: \xff\n", ["a.yaml:2:5: the byte 0xff is no UTF-8; save the file as UTF-8"]),
        (b"\xff\xfea\x00", ["a.yaml:1:1: the file is written in UTF-16; save it as UTF-8"]),
        (b" " * 1_000_001, ["a.yaml:1:1: the file is larger than 1 MB; a catalog file is a page or two"]),
        ("[" * 2000, ["a.yaml:1:62: nested deeper than 60 levels; a catalog file is flat"]),
    ],
)
def test_what_is_wrong_with_the_text_is_told(text: str | bytes, expected: list[str]) -> None:
    assert told(read(text)) == expected


@pytest.mark.parametrize(
    ("word", "value", "expected"),
    [
        ("12:30:00", 45000, "`12:30:00` is read as the number 45000; write '12:30:00' for a time of day,"),
        ("no", False, "`no` is read as false; write false, or 'no' for the word"),
        ("on", True, "`on` is read as true; write true, or 'on' for the word"),
        ("0755", 493, "`0755` is read as the number 493 by Chaos Toolkit and as the number 755 by YAML 1.2;"),
        ("1_000", 1000, "`1_000` is read as the number 1000 by Chaos Toolkit and as text by YAML 1.2;"),
        ("1e3", "1e3", "`1e3` is read as text by Chaos Toolkit and as the number 1000.0 by YAML 1.2;"),
        ("2024-01-01", "2024-01-01", "`2024-01-01` is read as a date by Chaos Toolkit; write '2024-01-01'"),
        ("2024-99-99", "2024-99-99", "`2024-99-99` cannot be read by Chaos Toolkit; write '2024-99-99'"),
        (".nan", ".nan", "`.nan` is no number that JSON can carry; write a finite number"),
        ("9" * 400, "9" * 400, f"`{'9' * 20}...` is no number that JSON can carry; put it in quotes"),
        ("=", "=", "`=` cannot be read by Chaos Toolkit; write '=' in quotes"),
    ],
)
def test_a_word_that_is_read_differently_is_a_trap(word: str, value: object, expected: str) -> None:
    document = read(f"a:\n  - {word}\n")
    assert document.data == {"a": [value]}
    assert document.problems == ()
    assert len(document.traps) == 1
    assert str(document.traps[0]).startswith(f"a.yaml:2:5: {expected}")


def test_a_key_can_be_a_trap_too() -> None:
    document = read("on: push\n8080: x\n'no': fine\n")
    assert document.data == {"on": "push", "8080": "x", "no": "fine"}
    assert told(document) == [
        "a.yaml:1:1: the key `on` is read as true; write true, or 'on' for the word",
        "a.yaml:2:1: the key `8080` is no text; write '8080' in quotes",
    ]


@pytest.mark.parametrize("word", ["true", "False", "null", "~", "12", "-1", "0.5", "0x1F", "y", "90s", "1.2.3"])
def test_a_word_that_everybody_reads_alike_is_none(word: str) -> None:
    assert told(read(f"a: {word}\n")) == []


@pytest.mark.parametrize("word", ["'no'", '"12:30:00"', "!!str no", "|\n  no"])
def test_quotes_disarm_a_trap(word: str) -> None:
    document = read(f"a: {word}\n")
    assert told(document) == []
    assert isinstance(document.data["a"], str)


def test_explicit_types_are_kept() -> None:
    assert read("{a: !!int '5', b: !!float '5', c: !!bool 'true', d: !!null ''}").data == {
        "a": 5,
        "b": 5,
        "c": True,
        "d": None,
    }


def test_anchors_and_merges_work_and_keep_their_places() -> None:
    document = read("base: &b {x: 1, y: 2}\nuse:\n  <<: *b\n  y: 3\nall: [*b, *b]\n")
    assert document.data["use"] == {"x": 1, "y": 3}
    assert document.data["all"] == [{"x": 1, "y": 2}] * 2
    assert document.data["all"][0] is not document.data["all"][1]
    assert document.positions.of_key(("use", "x")) == Place(1, 11)
    assert document.positions.of_key(("use", "y")) == Place(4, 3)


def test_a_trap_behind_an_anchor_is_told_once() -> None:
    assert len(told(read("a: &a [no]\nb: *a\nc: *a\n"))) == 1


def test_a_bomb_of_aliases_is_defused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    document = read("\n".join(lines))
    assert [problem.code for problem in document.problems] == ["too-large"]


def test_a_bomb_of_merges_is_defused() -> None:
    lines = ["a0: &a0 {x: 1}"]
    lines += [f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 10)}]}}" for i in range(1, 12)]
    document = read("\n".join(lines))
    assert [problem.code for problem in document.problems] == ["too-large"]


@pytest.mark.parametrize("text", ["", "# only a comment\n", "\ufeff", "---\n"])
def test_an_empty_file_has_no_data_and_no_problem(text: str) -> None:
    document = read(text)
    assert document.data is None
    assert told(document) == []


def test_json_has_positions_and_none_of_the_traps_of_yaml() -> None:
    text = '{\n\t"a": [1, 1e3, true, null],\n\t"b": {"no": "\\ud83d\\ude00\\/"}\n}'
    document = read(text, "a.json")
    assert document.data == json.loads(text) == {"a": [1, 1000.0, True, None], "b": {"no": "\U0001f600/"}}
    assert told(document) == []
    assert document.positions.of_key(("b", "no")) == Place(3, 8)
    assert document.positions.of_value(("a", 2)) == Place(2, 16)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a": 1,}', '1:9: a key is missing; write "key": value, without a comma after the last'),
        ('{"a" 1}', "1:6: ':' is missing behind a key; write \"key\": value"),
        ('{"a": 1 "b": 2}', "1:9: ',' or '}' is missing; put a comma between two items"),
        ("[1 2]", "1:4: ',' or ']' is missing; put a comma between two items"),
        ('{"a": "x\n"}', "1:9: invalid control character; close the quotes, and write line ends as \\n"),
        ('{"a": yes}', "1:7: `yes` is no JSON value; write text in"),
        ('{"a": NaN}', "1:7: `NaN` is no JSON value; write text in"),
        ('{"a": ', "1:7: a value is missing; write text in"),
        ("1 2", "1:3: more text after the end of the JSON value; a file holds one JSON value"),
        ('{"a": 1,\n "a": 2}', "2:2: the key 'a' is written twice, first on line 1; remove one:"),
        ("1e999", "1:1: 1e999 is too large a number; write it as text, or smaller"),
        ("9" * 400, f"1:1: {'9' * 20} is too large a number; write it as text, or smaller"),
        ("[" * 2000, "1:62: nested deeper than 60 levels; a catalog file is flat"),
        ('"\\ud800"', "1:1: half of a surrogate pair is no character; write the character itself"),
    ],
)
def test_what_is_wrong_with_json_is_told(text: str, expected: str) -> None:
    lines = told(read(text, "a.json"))
    assert len(lines) == 1
    assert lines[0].startswith(f"a.json:{expected}")


def test_empty_json_has_no_data() -> None:
    assert read(" \n", "a.json").data is None


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("0o17", "`0o17` is read as text by Chaos Toolkit and as the number 15 by YAML 1.2; write 15, or '0o17'"),
        ("1e999", "`1e999` is no number that JSON can carry; write '1e999' for text"),
        ("2024-01-01 10:00:00", "`2024-01-01 10:00:00` is read as a date by Chaos Toolkit; write"),
        ("22:22", "`22:22` is read as the number 1342 by Chaos Toolkit and as text by YAML 1.2; write 1342, or"),
    ],
)
def test_rarer_traps_are_told_too(word: str, expected: str) -> None:
    lines = told(read(f"a:\n  - {word}\n"))
    assert len(lines) == 1
    assert lines[0].startswith(f"a.yaml:2:5: {expected}")


def test_long_text_is_no_number() -> None:
    assert read(f"a: {'x' * 400}\n").data == {"a": "x" * 400}


def test_a_merge_key_elsewhere_is_text() -> None:
    assert read("a: <<\n").data == {"a": "<<"}


def test_a_collection_of_another_type_is_refused() -> None:
    assert told(read("a: !!set {b}\n")) == [
        "a.yaml:1:4: the tag !!set means nothing here; remove it, and put text that begins with ! in quotes"
    ]
