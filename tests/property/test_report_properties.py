"""Whatever a run log says, its reports come out: JSON by the schema, Markdown that shows and does nothing."""

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from pydantic import TypeAdapter

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "support"))

from json_schema import problems

from chaoslab.core.errors import BadUsage
from chaoslab.core.record import record_of
from chaoslab.core.verdict import judge
from chaoslab.report import jsonfile, markdown
from chaoslab.report.build import report_from
from chaoslab.report.markup import code, code_cell, prose, table
from chaoslab.report.model import Report
from chaoslab.report.schema import schema
from chaoslab.report.sentences import verdict_sentence
from chaoslab.report.write import report_of

SCHEMA = schema()
READER = TypeAdapter(Report)
PARSER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])

texts = st.text(max_size=12) | st.sampled_from(
    ["disaster", "verified", "detected", "a|b", "`", "<b>", "-", "\n# x", "\\"]
)
seconds = st.floats(-10, 1e7, allow_nan=False)
numbers = st.floats() | st.integers()
values = st.recursive(
    st.none() | st.booleans() | numbers | texts, lambda inner: st.lists(inner, max_size=3), max_leaves=4
)
outcomes = st.sampled_from(["ok", "failed", "deviated", "aborted"])
phases = st.sampled_from(["baseline", "inject", "recover", "verify", "undo", "teardown"])
names = st.sampled_from(["rto", "rpo", "detection", "recovery", "availability", "latency_p99", "unheard-of"])


def of_kind(kind, **fields):
    return st.fixed_dictionaries({"kind": st.just(kind), "at": texts, "mono_s": seconds, **fields})


started = of_kind(
    "run-started",
    run=st.fixed_dictionaries(
        {},
        optional={
            "file": texts,
            "blast_radius": texts,
            **dict.fromkeys(["id", "slug", "title", "kind", "host", "started_at", "plan_sha256"], texts),
            "seed": st.none() | st.integers(),
            "versions": st.dictionaries(texts, texts, max_size=2),
            "pid": st.integers(),
        },
    ),
    targets=st.lists(texts, max_size=2),
    objectives=st.lists(
        st.fixed_dictionaries(
            {
                "name": names,
                "bound": st.sampled_from(["at_most", "at_least"]),
                "target": st.floats(0, 1e6),
                "unit": st.sampled_from(["s", "share"]),
                "of": st.none() | texts,
            }
        ),
        max_size=3,
    ),
)
entries = st.integers(1, 3)
event = st.one_of(
    of_kind("step-started", step=entries, name=texts, phase=phases),
    of_kind("step-ended", step=entries, outcome=outcomes, duration_s=seconds, error=texts),
    of_kind("hypothesis", when=st.sampled_from(["before", "after"]), met=st.booleans()),
    of_kind(
        "fault-intended",
        entry=entries,
        name=texts,
        target=texts,
        role=st.sampled_from(["fault", "scratch", "rollback"]),
        ttl_s=seconds,
        undo=texts,
    ),
    of_kind("fault-injected", entry=entries),
    of_kind("fault-effective", entry=entries, effective=st.booleans()),
    of_kind("fault-undone", entry=entries, by=st.sampled_from(["run", "reaper", "undo"])),
    of_kind("fault-undo-failed", entry=entries, by=st.just("run"), error=texts),
    of_kind("mark", name=texts),
    of_kind(
        "figure", name=st.just("lost_s") | texts, value=numbers | st.lists(numbers, min_size=2, max_size=2), unit=texts
    ),
    of_kind(
        "finding",
        code=texts,
        severity=st.sampled_from(["failure", "unknown", "warning", "note", "new"]),
        where=texts,
        message=texts,
        expected=values,
        actual=values,
    ),
    of_kind(
        "samples",
        prober=texts,
        batch=st.lists(st.tuples(seconds, st.floats(0, 100), st.booleans(), texts).map(list), max_size=20),
    ),
    of_kind("refused", guard=texts, reason=texts),
    of_kind("interrupted", reason=texts),
    of_kind("skipped", reason=texts),
    of_kind("unheard-of"),
    of_kind("run-ended", status=texts),
)
logs = st.tuples(started, st.lists(event, max_size=25)).map(lambda both: [both[0], *both[1]])


def report_from_events(events):
    record = record_of(events)
    return report_from(record, judge(record))


@given(logs)
@settings(max_examples=150)
def test_every_log_gives_a_report_that_fits_the_schema(events):
    report = report_from_events(json.loads(json.dumps(events)))
    data = json.loads(jsonfile.render(report))
    assert problems(data, SCHEMA) == []
    assert READER.validate_python(data) == report


@given(logs)
@settings(max_examples=150)
def test_every_log_gives_markdown_that_does_nothing(events):
    report = report_from_events(events)
    text = markdown.render(report)
    assert text == markdown.render(report)
    assert all(char.isprintable() or char == "\n" for char in text)
    tokens = PARSER.parse(text)
    inline = [child for token in tokens for child in token.children or ()]
    assert not [token for token in [*tokens, *inline] if "html" in token.type or token.type in {"link_open", "image"}]
    assert sum(token.type == "heading_open" and token.tag == "h1" for token in tokens) == 1
    assert "\n" not in verdict_sentence(report)


@given(st.text(max_size=100), st.text(max_size=100))
def test_any_text_fits_into_a_cell(one, other):
    rows = [[prose(one), code_cell(other), "end"]]
    tokens = PARSER.parse("\n".join(table(["a", "b", "c"], rows)))
    cells = [token for token in tokens if token.type == "inline"][3:]
    assert [cell.content for cell in cells][2:] == ["end"]
    for cell, text in zip(cells, (one, other), strict=False):
        if text.isprintable():
            assert "".join(child.content for child in cell.children or ()) == " ".join(text.split())


@given(st.text())
def test_a_code_span_shows_what_it_holds(text):
    tokens = PARSER.parse(f"x {code(text, 10_000)}")
    children = [child for token in tokens for child in token.children or ()]
    if text.isprintable() and text.strip():
        assert [child.type for child in children] == ["text", "code_inline"]
        assert children[1].content == " ".join(text.split())


@given(logs, st.lists(st.dictionaries(texts, values, max_size=3) | event, max_size=3), st.binary(max_size=20))
@settings(max_examples=60)
def test_a_damaged_log_is_reported_or_refused_in_one_line(events, damage, torn):
    lines = [json.dumps(line).encode() for line in [*events, *damage]]
    with TemporaryDirectory() as folder:
        Path(folder, "events.jsonl").write_bytes(b"\n".join([*lines, torn]))
        refusal = ""
        try:
            report_of(Path(folder))
        except BadUsage as error:
            refusal = str(error)
    assert "\n" not in refusal
