"""Whatever a file says, a check answers with findings, an import with one of our files or a clear no."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from chaoslab.core.checks.baseline import Baseline
from chaoslab.core.checks.check import check_text
from chaoslab.core.checks.codes import DANGERS, UNUSABLE
from chaoslab.core.errors import BadFile
from chaoslab.core.proposal.propose import propose
from chaoslab.core.spec import parse_spec
from chaoslab.core.yaml_fast import compose_fast
from chaoslab.core.yaml_text import YamlError, _Loader

THEIRS: dict[str, Any] = {
    "title": "t",
    "description": "d",
    "configuration": {"ns": "shop", "limit": {"type": "env", "key": "L", "default": "5"}},
    "secrets": {"g": {"token": {"type": "env", "key": "T", "default": "x"}}},
    "runtime": {"rollbacks": {"strategy": "default"}, "hypothesis": {"strategy": "default"}},
    "controls": [{"name": "guard", "provider": {"type": "python", "module": "theirs.guard"}}],
    "steady-state-hypothesis": {
        "title": "h",
        "probes": [
            {
                "type": "probe",
                "name": "p",
                "tolerance": {"type": "jsonpath", "path": "$.state", "target": "body", "expect": "UP"},
                "provider": {"type": "http", "url": "http://x", "timeout": 3, "method": "GET"},
            },
            {
                "type": "probe",
                "name": "q",
                "tolerance": [1, 2],
                "provider": {"type": "python", "module": "chaosk8s.pod.probes", "func": "count_pods", "arguments": {}},
            },
        ],
    },
    "method": [
        {
            "type": "action",
            "name": "cordon",
            "provider": {
                "type": "python",
                "module": "chaosk8s.node.actions",
                "func": "cordon_node",
                "arguments": {"name": "n", "qty": 1},
            },
            "pauses": {"after": 1},
        },
        {
            "type": "action",
            "name": "slow",
            "background": True,
            "provider": {
                "type": "python",
                "module": "chaostoxi.toxic.actions",
                "func": "create_latency_toxic",
                "arguments": {"latency": 5, "for_proxy": "x"},
            },
        },
        {"type": "action", "name": "run", "provider": {"type": "process", "path": "kill", "arguments": ["-9", "77"]}},
        {"ref": "p"},
    ],
    "rollbacks": [
        {
            "type": "action",
            "name": "back",
            "provider": {
                "type": "python",
                "module": "chaosk8s.node.actions",
                "func": "uncordon_node",
                "arguments": {"name": "${ns}"},
            },
        }
    ],
}
WORDS = st.sampled_from(
    ["", "python", "http", "process", "probe", "regex", "range", "jsonpath", "${ns}", "${", "sh", "-c", "$", "env", "p"]
)
LEAVES = st.none() | st.booleans() | st.integers(-5, 10**20) | st.floats(allow_nan=False) | WORDS | st.text(max_size=6)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3), max_leaves=5
)


def containers(value: Any) -> list[Any]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    found = [value] if isinstance(value, dict | list) and value else []
    return found + [container for item in inner for container in containers(item)]


@st.composite
def mutants(draw: st.DrawFn) -> dict[str, Any]:
    """Draw somebody's file with some of its values replaced or removed."""
    data = copy.deepcopy(THEIRS)
    for _ in range(draw(st.integers(0, 4))):
        found = containers(data)
        container = found[draw(st.integers(0, len(found) - 1))] if found else data
        key = draw(st.sampled_from(list(container) if isinstance(container, dict) else list(range(len(container)))))
        if draw(st.booleans()):
            container[key] = draw(VALUES)
        else:
            del container[key]
    return data


def look(text: str | bytes, file: str) -> None:
    """Check a text and hold what comes of it to its promises."""
    findings = check_text(text, file).findings
    for finding in findings:
        assert finding.code in UNUSABLE or finding.code in DANGERS
        assert finding.text.isprintable()
        assert finding.place.isprintable()
        assert finding.fatal or finding.severity in DANGERS[finding.code]
    assert len(set(findings)) == len(findings)
    baseline = Baseline(Path())
    assert json.loads(baseline.text_of(findings))["schema"]


@settings(deadline=None)
@given(data=mutants())
def test_a_damaged_file_is_checked(data: dict[str, Any]) -> None:
    look(json.dumps(data), "a.json")
    look(yaml.safe_dump(data), "a.yaml")


@settings(deadline=None)
@given(text=st.text(max_size=80) | st.binary(max_size=80))
def test_any_text_is_checked(text: str | bytes) -> None:
    look(text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text, "a.yaml")
    look(text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text, "a.json")


@settings(deadline=None)
@given(data=mutants(), flow=st.booleans())
def test_whatever_can_be_run_can_be_imported(data: dict[str, Any], flow: bool) -> None:
    text = yaml.safe_dump(data, sort_keys=False, default_flow_style=flow, allow_unicode=True)
    try:
        spec = parse_spec(text, "a.yaml")
    except BadFile:
        return
    if not spec.foreign:
        return
    ours = yaml.safe_load(propose(text, spec).text)
    assert [extension for extension in ours["extensions"] if extension["name"] == "chaoslab"]
    assert len(ours["method"]) >= len(spec.document["method"])
    assert ours.get("steady-state-hypothesis") == yaml.safe_load(text).get("steady-state-hypothesis")


PIECES = [
    "\n",
    "\n  ",
    "\n- ",
    "- ",
    "a",
    "b: ",
    ":",
    ": ",
    "[",
    "]",
    "{",
    "}",
    ", ",
    '"',
    "'",
    "#",
    " #",
    "|\n  ",
    ">-",
]
PIECES += [
    "%",
    "@",
    "\\",
    "1.5",
    "true",
    "~",
    "<<: ",
    "=",
    "é",
    "😀",
    "http://x",
    "${a}",
    "? ",
    "&a ",
    "*a",
    "!",
    "'y'",
]


@settings(deadline=None)
@given(pieces=st.lists(st.sampled_from(PIECES), max_size=14))
def test_both_readers_of_yaml_read_alike(pieces: list[str]) -> None:
    """The parser in C takes nothing that Chaos Toolkit's would not, and sees it at the same places."""
    text = "".join(pieces)
    try:
        fast = compose_fast(text, max_depth=60)
    except (yaml.YAMLError, ValueError):
        return  # the other reader has the last word
    if fast is None:
        return
    loader = _Loader(text)
    loader.max_depth = 60
    try:
        slow = loader.get_single_node()
    except (yaml.YAMLError, YamlError) as error:
        raise AssertionError(f"only C reads {text!r}") from error
    assert tree(fast, ()) == tree(slow, ())


def tree(node: yaml.Node, above: tuple[int, ...]) -> Any:
    """A node as plain data, with its places."""
    place = (node.tag, node.start_mark.line, node.start_mark.column)
    if id(node) in above:
        return "loop"
    above = (*above, id(node))
    if isinstance(node, yaml.MappingNode):
        return place, [(tree(key, above), tree(value, above)) for key, value in node.value]
    return place, [tree(item, above) for item in node.value] if isinstance(node, yaml.SequenceNode) else node.value
