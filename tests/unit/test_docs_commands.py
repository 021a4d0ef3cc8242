"""Every command line of ours in the docs is one that chaoslab takes, about exercises and variables that there are."""

import json
import re
import shlex
from pathlib import Path

import pytest

from chaoslab.cli.main import group
from chaoslab.core.checks.check import check_text
from chaoslab.core.spec import parse_spec
from chaoslab.engine.loading import catalog

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINE = re.compile(r"^(?:    |\$ )?(?:\$ )?(?:[A-Z_]+=\S+ )*(?:\.venv/bin/)?chaoslab (?P<rest>\S.*)$")
ENDS = re.compile(r"\s[|;&]+(\s|$)|\s#\s")


def lines_of(page):
    """Yield the command lines in blocks and in tables, each as a person would type it."""
    text = re.sub(r"\\\n\s*", "", page.read_text(encoding="utf-8"))
    text = re.sub(r"\$\(.*?\)", "X", text)
    fenced = False
    for line in text.splitlines():
        fenced ^= line.startswith("```")
        if (found := LINE.match(line)) and (fenced or line.startswith("    ")):
            yield ENDS.split(found["rest"])[0]
        for inline in re.findall(r"`(?:\$ )?chaoslab ([a-z]+ [^`]*)`", line):
            yield ENDS.split(inline)[0]


COMMANDS = sorted({(page.relative_to(ROOT).as_posix(), line) for page in PAGES for line in lines_of(page)})
SPECS = {entry.name: entry for entry in catalog()}


def test_there_are_some():
    assert len(COMMANDS) > 60
    assert {"run", "plan", "check", "import", "report", "undo", "lab", "list", "backup"} <= {
        line.split()[0] for _, line in COMMANDS
    }


@pytest.mark.parametrize(("page", "line"), COMMANDS)
def test_it_is_taken(page, line):
    name, *arguments = shlex.split(line.replace("...", "X"))
    command = group.get_command(None, name)
    assert command is not None, f"{page}: there is no `chaoslab {name}`"
    while hasattr(command, "commands") or hasattr(command, "get_command"):
        if not arguments or arguments[0].startswith("-"):
            return
        command, arguments = command.get_command(None, arguments[0]), arguments[1:]
        assert command is not None, f"{page}: {line}"
    if "--help" in arguments:
        return
    context = command.make_context(name, list(arguments))
    if name in ("run", "plan") and "--plan" not in arguments:
        variables = {given.partition("=")[0].partition(":")[0] for given in context.params["pairs"]}
        check_names(page, context.params["names"], variables)


def check_names(page, names, variables):
    for name in names:
        if name.isupper() or name.endswith((".yaml", ".json")) or "/" in name:
            continue
        assert name in SPECS, f"{page}: the catalog has no {name}"
        source = SPECS[name].path
        known = parse_spec(source.read_bytes(), str(source)).document.get("configuration", {})
        assert variables <= set(known), f"{page}: {name} has no {variables - set(known)}"


def test_the_report_that_the_readme_shows_is_the_one_that_is_kept():
    shown = [line[2:].strip() for line in (ROOT / "README.md").read_text().splitlines() if line.startswith("> ")]
    kept = (ROOT / "reports" / "example" / "report.md").read_text()
    assert len(shown) > 15
    assert [line for line in shown if line.removeprefix("#") not in kept] == []


def test_what_the_docs_show_of_a_check_is_what_it_says():
    pages = [(ROOT / name).read_text() for name in ("README.md", "docs/check.md")]
    shown = {line for page in pages for line in re.findall(r"^    \S+:\d+:\d+: error: (method.*)$", page, re.MULTILINE)}
    said = set()
    for func, arguments in (("pod.actions.terminate_pods", {}), ("node.actions.drain_nodes", {"name": "node-1"})):
        module, _, name = func.rpartition(".")
        provider = {"type": "python", "module": f"chaosk8s.{module}", "func": name, "arguments": arguments}
        step = {"type": "action", "name": "x", "provider": provider}
        text = json.dumps({"title": "t", "description": "d", "method": [step]})
        said |= {f"{found.text} [{found.code}]" for found in check_text(text, "x.json").findings}
    assert len(shown) == 2
    assert {line.replace("method[0].provider.arguments", "method[0].provider") for line in said} >= shown
