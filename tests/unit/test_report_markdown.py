"""report.md says the right things, reads well as raw text, and shows hostile text instead of obeying it."""

import sys
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

sys.path.insert(0, str(Path(__file__).parent / "support"))

from report_story import AVAILABILITY, RPO, RTO, Story, drill, experiment

from chaoslab.report import markdown
from chaoslab.report.markup import code, code_cell, prose, table
from chaoslab.report.write import report_of

PARSER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
HOSTILE = [
    "a | b",
    "a \\| b",
    "a \\\\| `b`",
    "line one\nline two\r\n\n# not a heading",
    "<script>alert(1)</script>",
    "<!-- gone -->",
    "&lt;b&gt; &amp; &#65;",
    "`code` ``more`` ```",
    "*bold* _it_ __x__ ~~no~~ snake_case_name",
    "[link](http://x) ![image](y) [ref]: z",
    "| --- | --- |",
    "- [ ] item",
    "\x1b[31mred\x1b[0m \x00 \u202etxt.exe",
    "$HOME and $$x^2$$",
    "#123 @everyone C# a@b",
    "trailing \\",
    "# ",
    "#",
    "- x",
    "---",
    "+",
    "1. x",
    "2)",
    "-5 and +5",
    "   ",
]


def text_of(folder):
    return markdown.render(report_of(folder))


def rendered(text):
    """What a reader sees, and the kinds of all tokens."""
    tokens = PARSER.parse(text)
    inline = [child for token in tokens if token.type == "inline" for child in token.children or ()]
    return tokens, inline, "".join(child.content for child in inline)


def line(text, start):
    return next(line for line in text.splitlines() if line.startswith(start))


def test_a_passed_drill_says_so_first_and_why(tmp_path):
    text = text_of(drill(tmp_path).end())
    assert text.startswith(
        "# PASSED: Restore the shop\n\n"
        "**The drill “Restore the shop” passed: rto up to 10s (promised ≤ 2h), rpo 200ms to 1.4s (promised ≤ 15m); "
        "the steady state held afterwards.**\n\n"
        "Run `20260131T235930Z-shop` of `shop` (drill) on `lab-1`: "
        "started 2026-01-31 23:59:30 UTC, took 10s, exit code 0.\n"
    )
    assert text.endswith("tells whether the evidence is what it was.\n")
    assert "Why:" not in text


def test_it_says_what_the_exercise_is_for(tmp_path):
    text = text_of(drill(tmp_path).end())
    assert "Passing proves that the shop comes back." in text


def test_objectives_have_target_actual_margin_and_outcome(tmp_path):
    text = text_of(drill(tmp_path).end())
    assert line(text, "| rto") == "| rto       |   ≤ 2h |     up to 10s |  2h 00m left | met     |"
    assert line(text, "| rpo") == "| rpo       |  ≤ 15m | 200ms to 1.4s | 14m 59s left | met     |"
    assert "Steady state: met before, met after." in text


def test_the_way_to_recovery_is_split(tmp_path):
    text = text_of(drill(tmp_path).end())
    assert "From the disaster to verified: 10s." in text
    assert line(text, "| detect").startswith("| detect  |    0.000 | 500ms |    5% | █ ")
    assert line(text, "| restore").startswith("| restore |    2.000 |    6s |   60% | ████████████ ")


def test_the_timeline_has_marks_and_steps_in_their_order(tmp_path):
    text = text_of(drill(tmp_path).end())
    told = text[text.index("## What happened") :].split("\n\n")[1].splitlines()
    assert [row.rpartition(" | ")[2].rstrip(" |") for row in told[2:]] == [
        "**disaster**",
        "**detected**",
        "recover: fetch the dump",
        "**fetched**",
        "recover: restore the dump",
        "**restored**",
        "verify: verify what came back",
        "**verified**",
    ]
    assert told[4] == "| 23:59:30.500 |  0.500 | 1.5s | ok      | recover: fetch the dump |"


def test_what_the_probers_saw_is_drawn(tmp_path):
    text = text_of(experiment(tmp_path).end())
    assert "availability of api 85% (promised ≥ 95%)" in text
    assert line(text, "| during").split("|")[2:6] == [" 10.0 to 13.0 ", "    30 ", "  30 ", "   0% "]
    assert line(text, "good ") == "good     ██████████▁▁▁█████████████████"
    assert line(text, "slowest ").startswith("slowest  ▇▇▇▇▇▇▇▇▇▇xxx██")
    assert line(text, "          ").endswith("└──┘ fault")
    assert "Bad from 10.000 s to 12.900 s: 30 x timeout." in text


def test_findings_stand_by_severity_with_what_was_expected(tmp_path):
    story = drill(tmp_path).finding("slow-restore", "warning", "", message="half the speed", expected=None, actual=None)
    for number in range(30):
        story.finding(where=f"shop.t{number}", expected=[1, 2], actual="")
    for _ in range(2):
        story.finding("policy-missing", where="shop", message="gone", expected=None, actual=None)
    text = text_of(story.end())
    assert text.index("### Failures (32)") < text.index("### Warnings (1)")
    assert "\n30 row-count-differs, 2 policy-missing.\n" in text
    assert "1. **row-count-differs** at `shop.t0`: rows are missing after the restore\n   - expected: `1`, `2`" in text
    assert "\n5. **row-count-differs** at `shop.t4`" in text
    assert "shop.t5" not in text
    assert (
        "\n6. **row-count-differs**: 25 more in report.json\n7. **policy-missing** at `shop`: gone (2 times)\n" in text
    )
    assert "1. **slow-restore**: half the speed\n" in text
    assert "failed: 32 findings: 30 row-count-differs, 2 policy-missing.**" in text
    assert "\n1. 30 times row-count-differs, first at shop.t0: rows are missing" in text
    assert "\n2. 2 times policy-missing, first at shop: gone\n" in text


def test_what_was_touched_stands_with_who_undid_it_and_when(tmp_path):
    text = text_of(experiment(tmp_path).end())
    row = [cell.strip() for cell in line(text, "| process.pause").strip("|").split("|")]
    assert row == ["process.pause", "fault", "10.000", "yes", "13.000", "the run", "3s", "`process 4711 (service)`"]


def test_residue_comes_first_and_bold(tmp_path):
    story = Story(tmp_path).begin(RTO).healthy().intend(1, "postgres.scratch", "scratch", "scratch").undone(1)
    story.intend(2).bite(2).say("fault-undo-failed", entry=2, by="run", error="no such process")
    text = text_of(story.end())
    assert text.startswith(
        "# INCONCLUSIVE, RESIDUE: Restore the shop\n\n**process.pause on process 4711 (service) was NOT UNDONE. "
    )
    assert text.index("## Not undone") < text.index("## Objectives")
    assert "- **process.pause on process 4711 (service) is NOT UNDONE**: `no such process`" in text
    assert "`chaoslab undo` tries again" in text
    rows = [row for row in text[text.index("## What was touched") :].splitlines() if row.startswith("| p")]
    assert rows[0].startswith("| process.pause ")
    assert "**NOT UNDONE**" in rows[0]
    assert rows[1].startswith("| postgres.scratch | scratch |           never |")


def test_a_refused_run_touched_nothing(tmp_path):
    story = Story(tmp_path).begin(RTO).say("refused", guard="free-disk", reason="2 GiB are needed, 1 GiB is free")
    text = text_of(story.end())
    assert "was refused by free-disk: 2 GiB are needed, 1 GiB is free. Nothing was touched.**" in text
    assert "Nothing was measured, for nothing was run. Promised: rto ≤ 2h." in text
    assert "Nothing: no step was begun." in text
    assert "Nothing: no fault was injected and no scratch thing was made." in text


def test_an_interrupted_run_says_where_and_that_all_is_undone(tmp_path):
    story = experiment(tmp_path).step("wait", "verify", 2.0, "aborted").say("interrupted", reason="SIGINT")
    text = text_of(story.end())
    assert "was interrupted by SIGINT after 32s, in step “wait”. Everything it had touched was undone.**" in text
    assert "exit code 130" in text
    assert "The run was cut short: these figures" in text


def test_a_skipped_run_says_why(tmp_path):
    text = text_of(Story(tmp_path).begin().say("skipped", reason="not the first Monday").end())
    assert text.startswith("# SKIPPED: Restore the shop\n\n**The drill “Restore the shop” was skipped: not the first")


def test_several_reasons_are_all_told(tmp_path):
    text = text_of(Story(tmp_path).begin(RTO, RPO, AVAILABILITY).end())
    assert "is inconclusive, evidence is missing: the steady state was not checked before the fault (and 4 more" in text
    assert "\nWhy:\n\n1. the steady state was not checked before the fault\n2. objective rto is unknown" in text


def test_a_run_that_knows_little_of_itself_is_reported_all_the_same(tmp_path):
    story = Story(tmp_path)
    story.say("run-started", run={}, origin_mono=1000.0)
    text = text_of(story.end())
    assert text.startswith("# INCONCLUSIVE: an exercise without a name\n")
    assert "Run without an id of no catalog entry (exercise) on an unknown host: started at an unknown time" in text


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_text_is_shown_and_does_nothing(tmp_path, hostile):
    story = Story(tmp_path).begin(
        AVAILABILITY | {"of": hostile}, title=hostile, slug=hostile, host=hostile, kind=hostile
    )
    story.healthy().intend(1, hostile, hostile).bite().step(hostile, hostile, 1.0, "failed", hostile)
    story.sampled((0, 1, False, 1.0), prober=hostile).say("mark", name=hostile)
    story.say("figure", name=hostile, value=1, unit=hostile).finding(hostile, where=hostile, message=hostile)
    story.finding(expected=hostile, actual=[hostile], severity=hostile).say("interrupted", reason=hostile)
    text = text_of(story.end())
    tokens, inline, shown = rendered(text)
    assert not [token for token in [*tokens, *inline] if "html" in token.type or token.type in {"link_open", "image"}]
    assert not [token for token in inline if token.type in {"em_open", "s_open"}]
    assert [token.tag for token in tokens if token.type == "heading_open"].count("h1") == 1
    assert not set(text) & set("\x00\x1b\u202e\r")
    if hostile.isprintable() and hostile.strip():
        assert " ".join(hostile.split()) in shown
    for start in (number for number, token in enumerate(tokens) if token.type == "tr_open"):
        row = tokens[start : next(n for n in range(start, len(tokens)) if tokens[n].type == "tr_close")]
        assert len([token for token in row if token.type in {"td_open", "th_open"}]) in {2, 3, 5, 6, 8, 9}


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_cell_holds_what_it_was_given(hostile):
    rows = [[prose(hostile), code_cell(hostile), "end"]]
    tokens, _, _ = rendered("\n".join(table(["a", "b", "c"], rows)))
    cells = [token for token in tokens if token.type == "inline"][3:]
    wanted = " ".join(hostile.split())
    seen = ["".join(child.content for child in cell.children or ()) for cell in cells]
    assert len(cells) == 3
    assert seen[2] == "end"
    if hostile.isprintable():
        assert seen[:2] == [wanted, wanted]


def test_code_spans_outlast_backticks():
    assert code("a`b") == "``a`b``"
    assert code("`") == "`` ` ``"
    assert code("") == ""
    assert code("x" * 300, 10) == "`" + "x" * 9 + "…`"


def test_long_lists_are_cut_and_say_so(tmp_path):
    story = Story(tmp_path).begin()
    for number in range(210):
        story.step(f"step {number}", "verify", 0.001, "failed", f"error {number}")
    text = text_of(story.end())
    assert "| verify: step 199: error 199 |" in text
    assert "step 200" not in text
    assert "... and 10 more lines in report.json." in text
    assert "... and 200 more reasons in report.json." in text


def test_the_chart_of_a_drill_says_until_when_it_was_down(tmp_path):
    story = drill(tmp_path / "whole").sampled((0, 8, False, 1.0), (8, 12, True, 0.01))
    assert "┘ from the disaster to verified\n" in text_of(story.end())
    story = Story(tmp_path / "cut").begin(RTO).say("mark", name="disaster").sampled((0, 8, False, 1.0))
    assert "─ from the disaster on\n" in text_of(story.end())


def test_parts_stand_in_one_table_the_slowest_first(tmp_path):
    story = drill(tmp_path)
    for name, outcome, verified_s in (("quick", "ok", 3.0), ("slow|one", "failed", 9.0), ("half", "unknown", None)):
        figures = {"dump_s": 1.0, "restore_s": 2.0, "dump_bytes": 1024**2, "rows": 1234, "note": "why"}
        story.say("part", name=name, outcome=outcome, figures=figures | {"verified_s": verified_s})
    text = text_of(story.finding(where="slow|one/public.t").end())
    assert "3 in all: 1 ok, 1 failed, 1 unknown. The slowest: slow\\|one, verified 9s after the disaster" in text
    assert "(dump 1s, restore 2s)" in text
    section = text[text.index("## One by one") :].splitlines()
    rows = [[cell.strip() for cell in row.strip("|").split(" | ")] for row in section[6:9]]
    assert [row[0] for row in rows] == ["slow\\|one", "quick", "half"]
    assert rows[0][1:] == ["**failed**", "9s", "1s", "2s", "1 MiB", "1,234", "why", "row-count-differs"]
    assert rows[2][2] == ""


def test_sizes_are_told_from_times_and_words_stand_to_the_left(tmp_path):
    story = drill(tmp_path)
    story.say("part", name="shop", outcome="ok", figures={"dump_s": 1.0, "dump_bytes": 1024**2, "said": "bad page"})
    story.say("part", name="billing", outcome="ok", figures={"dump_s": 2.0, "dump_bytes": 10, "said": "all is well"})
    section = (text := text_of(story.end()))[text.index("## One by one") :].splitlines()
    assert [cell.strip() for cell in section[4].strip("|").split("|")][2:5] == ["dump", "dump size", "said"]
    rule = [cell.strip() for cell in section[5].strip("|").split("|")]
    assert [cell.endswith(":") for cell in rule] == [False, False, True, True, False, False]


def test_of_backups_the_oldest_is_named(tmp_path):
    story = drill(tmp_path)
    for name, age_s in (("shop", 60.0), ("billing", 7200.0)):
        story.say("part", name=name, outcome="ok", figures={"age_s": age_s})
    assert "2 in all: 2 ok. The oldest: billing (age 2h 00m)." in text_of(story.end())


def test_a_fault_that_was_over_at_once_is_not_called_undone(tmp_path):
    story = Story(tmp_path).begin(RTO).healthy().intend(1, "process.kill").bite().undone(by="itself")
    text = text_of(story.end())
    assert "fault on: " in text
    assert "fault off: " not in text
    assert "| nothing to undo |" in text
