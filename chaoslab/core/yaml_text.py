"""YAML text -> nodes, with syntax errors worded for the person who wrote the file."""

from __future__ import annotations

from contextlib import suppress

import yaml

from chaoslab.core.yaml_fast import PLAIN_TAG, compose_fast


class YamlError(Exception):
    """The text is no YAML from here on."""

    def __init__(self, mark: yaml.Mark, message: str, hint: str) -> None:
        """Name the place, what is wrong there and what would be right."""
        super().__init__(mark, message, hint)
        self.mark = mark
        self.message = message
        self.hint = hint


class _Loader(yaml.BaseLoader):
    """Tells unquoted words from quoted ones, and refuses depths that would exhaust the stack."""

    max_depth = 0
    depth = 0

    def resolve(self, kind: type[yaml.Node], value: str | None, implicit: tuple[bool, bool]) -> str:
        if kind is yaml.ScalarNode and implicit[0]:
            return PLAIN_TAG
        return str(super().resolve(kind, value, implicit))  # type: ignore[no-untyped-call]

    def compose_node(self, parent: yaml.Node | None, index: object) -> yaml.Node | None:
        self.depth += 1
        if self.depth > self.max_depth + 1:  # the value at the top has depth 0
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise YamlError(mark, f"nested deeper than {self.max_depth} levels", "a catalog file is flat")
        try:
            return super().compose_node(parent, index)  # type: ignore[arg-type]
        finally:
            self.depth -= 1


def compose_yaml(text: str, *, max_depth: int) -> yaml.Node | None:
    """Read one YAML document into nodes; return None for empty text.

    Raises:
        YamlError: the text is no YAML, has several documents, or is nested deeper than `max_depth`.
    """
    with suppress(yaml.YAMLError, ValueError):  # whatever it is, the reader below has better words for it
        if (node := compose_fast(text, max_depth=max_depth)) is not None:
            return node
    try:
        loader = _Loader(text)
        loader.max_depth = max_depth
        return loader.get_single_node()
    except yaml.reader.ReaderError as error:
        raise _unprintable(text, error) from error
    except yaml.MarkedYAMLError as error:
        raise _worded(error) from error
    except (yaml.YAMLError, ValueError, OverflowError, IndexError, AttributeError) as error:
        # The scanner trusts its input in places, such as escapes beyond Unicode.
        mark = yaml.Mark("", 0, 0, 0, None, 0)
        raise YamlError(mark, f"the file is no YAML: {error}", "look for a strange escape such as \\U") from error


def _unprintable(text: str, error: yaml.reader.ReaderError) -> YamlError:
    before = text[: error.position]
    line_start = before.rfind("\n") + 1
    mark = yaml.Mark("", error.position, before.count("\n"), len(before) - line_start, None, 0)
    code = error.character if isinstance(error.character, int) else ord(error.character)
    return YamlError(mark, f"the character U+{code:04X} is not allowed in YAML", "remove it, or write it as an escape")


_AT_CONTEXT = ("while scanning a quoted scalar", "while parsing a flow sequence", "while parsing a flow mapping")

_WORDS: tuple[tuple[str, str, str], ...] = (
    ("character '\\t' that cannot start", "a tab cannot indent or begin a value", "indent with spaces"),
    ("that cannot start any token", "text cannot begin with this character", "put the text in quotes"),
    (
        "mapping values are not allowed here",
        "a `key: value` is not possible here",
        "line it up with its siblings, or put text that contains ': ' in quotes",
    ),
    (
        "could not find expected ':'",
        "this is neither `key: value` nor a list item",
        "add the ':', or line it up with the text above if it belongs to that",
    ),
    (
        "expected <block end>",
        "this fits none of the indentations above",
        "line it up with its siblings, and put text that begins with a quote wholly in quotes",
    ),
    (
        "found undefined alias",
        "`*name` repeats an anchor `&name`, and there is none above",
        "put text that begins with * in quotes",
    ),
    ("while scanning an alias", "`*name` repeats an anchor", "put text that begins with * in quotes"),
    ("while scanning an anchor", "`&name` names an anchor", "put text that begins with & in quotes"),
    ("while scanning a quoted scalar", "the quote that opens here is never closed", "close it"),
    ("while scanning a double-quoted scalar", "this is no escape", "write \\\\ for a backslash, or use single quotes"),
    ("while parsing a flow sequence", "the list that opens here is not closed properly", "check its commas and its ]"),
    (
        "while parsing a flow mapping",
        "the mapping that opens here is not closed properly",
        "check its commas and its }",
    ),
    ("expected a single document", "a second document begins here", "keep one, and remove the `---`"),
    ("found duplicate key", "a key is written twice", "remove one"),
    ("while scanning a directive", "text cannot begin with %", "put the text in quotes"),
)


def _worded(error: yaml.MarkedYAMLError) -> YamlError:
    """Say in our words what the parser says in those of its grammar."""
    context, problem = error.context or "", error.problem or ""
    use_context = context in _AT_CONTEXT and error.context_mark is not None
    mark = error.context_mark if use_context else error.problem_mark or error.context_mark
    assert mark is not None  # every marked error of the parser has one
    for words, message, hint in _WORDS:
        if words in problem or words in context:
            return YamlError(mark, message, hint)
    detail = ", ".join(part for part in (context, problem) if part)
    return YamlError(mark, f"the YAML cannot be read: {detail}", "")
