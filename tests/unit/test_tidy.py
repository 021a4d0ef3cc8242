"""The habits of this repository, held by a test: sizes, words, clocks, links, locks."""

import ast
import importlib
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
FILE_LINES_MAX = 300
FUNCTION_LINES_MAX = 45
FOLDERS = ("chaoslab", "tests", "benchmarks", "scripts", "docs", "experiments", "drills", "changelog", ".ci", "deploy")
TEXTS = {".py", ".md", ".yaml", ".yml", ".toml", ".sh", ".lock", ".json", ""}


def texts() -> Iterator[Path]:
    """Every text file that people write, here or at the root."""
    yield from (path for path in ROOT.iterdir() if path.is_file() and path.suffix in {".md", ".toml"})
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.is_file() and path.suffix in TEXTS and "__pycache__" not in path.parts:
                yield path


def sources(*folders: str) -> Iterator[Path]:
    """Every Python file below these folders."""
    for folder in folders:
        yield from sorted((ROOT / folder).rglob("*.py"))


def grep(pattern: str, paths: Iterator[Path]) -> list[str]:
    """Return `file:line: text` for every line in which a pattern occurs."""
    wanted = re.compile(pattern)
    return [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in paths
        if path != Path(__file__)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if wanted.search(line)
    ]


def nothing(found: list[str]) -> None:
    """Fail with every place that was found."""
    assert not found, "\n" + "\n".join(found)


def calls(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield the line and the dotted name of every call, as it is written."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield node.lineno, ast.unparse(node.func)


def test_a_python_file_fits_in_one_reading() -> None:
    lengths = {
        path: len(path.read_text().splitlines()) for path in sources("chaoslab", "tests", "benchmarks", "scripts")
    }
    nothing([f"{path.relative_to(ROOT)}: {lines} lines" for path, lines in lengths.items() if lines > FILE_LINES_MAX])


def test_a_function_fits_on_one_screen() -> None:
    long = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {node.name}"
        for path in sources("chaoslab", "tests", "benchmarks", "scripts")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno + 1 > FUNCTION_LINES_MAX
    ]
    nothing(long)


def test_nothing_is_left_for_later() -> None:
    nothing(grep(r"\b(TODO|FIXME|XXX|HACK)\b", texts()))
    nothing(grep(r"\bNotImplementedError\b", sources("chaoslab", "scripts", "benchmarks")))


def test_no_check_is_switched_off_without_saying_which() -> None:
    nothing(grep(r"type: ignore(?!\[)|# noqa(?!: ?[A-Z])|assert True\b", sources("chaoslab", "tests", "scripts")))


def test_no_error_is_swallowed_whole() -> None:
    nothing(grep(r"except( Exception| BaseException)?:\s*(pass|\.\.\.)\s*$|suppress\((Base)?Exception\)", texts()))


def test_no_path_of_one_machine() -> None:
    nothing(grep(r"(?<![\w.])/(work|root)/", texts()))


def test_no_address_of_a_package_registry() -> None:
    hosts = (
        "pypi.org",
        "pythonhosted.org",
        "deb.debian.org",
        "registry.npmjs.org",
        "proxy.golang.org",
        "repo1.maven.org",
    )
    nothing(grep("|".join(map(re.escape, hosts)), texts()))


@pytest.mark.parametrize("lock", ["dev.lock", "all.lock", "pgserver.lock"])
def test_a_lock_holds_versions_and_hashes_and_nothing_else(lock: str) -> None:
    allowed = re.compile(r"[a-z0-9._-]+==\S+( ; .+)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?")
    odd = [line for line in (ROOT / "requirements" / lock).read_text().splitlines() if not allowed.fullmatch(line)]
    nothing(odd)


def test_the_locks_keep_up_with_the_requirements() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras, groups = project["project"]["optional-dependencies"], project["dependency-groups"]
    every_extra = [wanted for name, extra in extras.items() if name != "all" for wanted in extra]
    behind = [
        f"{lock}: {wanted}"
        for lock, requirements in {
            "dev.lock": [*project["project"]["dependencies"], *extras["pg"], *groups["dev"]],
            "all.lock": [*project["project"]["dependencies"], *every_extra],
            "pgserver.lock": groups["pgserver"],
        }.items()
        for wanted in requirements
        if not is_locked(Requirement(wanted), (ROOT / "requirements" / lock).read_text())
    ]
    nothing(behind)


def is_locked(wanted: Requirement, lock: str) -> bool:
    """Return whether a lock holds a version that a requirement allows."""
    found = re.search(rf"^{re.escape(canonicalize_name(wanted.name))}==([^\s;]+)", lock, flags=re.MULTILINE)
    return found is not None and wanted.specifier.contains(found[1])


def test_clocks_are_read_in_one_file_only() -> None:
    """A wall clock that steps makes durations lie; one door to all clocks can be watched and simulated."""
    clock = re.compile(
        r"time\.(time|time_ns|monotonic|monotonic_ns|perf_counter|sleep)|(.*\.)?(datetime|date)\.(now|utcnow|today)"
    )
    read = [
        f"{path.relative_to(ROOT)}:{line}: {name}"
        for path in sources("chaoslab")
        if path.relative_to(ROOT / "chaoslab") != Path("runtime/clock.py")
        for line, name in calls(ast.parse(path.read_text()))
        if clock.fullmatch(name)
    ]
    nothing(read)


def test_every_link_of_the_docs_leads_somewhere() -> None:
    dead = []
    for path in (path for path in texts() if path.suffix == ".md"):
        prose = re.sub(r"```.*?```|`[^`\n]*`", "", path.read_text(), flags=re.DOTALL)
        for target in re.findall(r"\]\(([^)\s]+)\)", prose):
            file = target.partition("#")[0]
            if file and "://" not in file and not file.startswith("mailto:") and not (path.parent / file).exists():
                dead.append(f"{path.relative_to(ROOT)}: {target}")
    nothing(dead)


def test_every_file_that_the_docs_name_is_there() -> None:
    folders = "|".join(map(re.escape, FOLDERS))
    path_in_text = re.compile(rf"`((?:{folders}|requirements)/[\w./-]+)`")
    absent = [
        f"{path.relative_to(ROOT)}: {named}"
        for path in texts()
        if path.suffix == ".md" and path.parent.name != "changelog"
        for named in path_in_text.findall(path.read_text())
        if not (ROOT / named).exists()
    ]
    nothing(absent)


def test_the_python_of_the_docs_parses_and_imports_what_is_there() -> None:
    blocks = [
        (path, block)
        for path in texts()
        if path.suffix == ".md"
        for block in re.findall(r"```python\n(.*?)```", path.read_text(), flags=re.DOTALL)
    ]
    assert blocks
    for path, block in blocks:
        for node in ast.walk(ast.parse(block, filename=str(path))):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("chaoslab."):
                module = importlib.import_module(node.module)
                nothing([f"{path.name}: {node.module}.{a.name}" for a in node.names if not hasattr(module, a.name)])


def test_decisions_and_changes_are_told_in_their_form() -> None:
    for path in (ROOT / "docs/adr").glob("[0-9]*.md"):
        headings = re.findall(r"^## (.+)$", path.read_text(), flags=re.MULTILINE)
        assert headings == ["Context", "Decision", "Consequences"], path.name
    for path in (ROOT / "changelog").glob("*.md"):
        if path.name != "README.md":
            assert re.match(r"(Added|Changed|Fixed|Removed|Security): \S", path.read_text()), path.name


def test_every_script_is_executable_and_looked_at_by_shellcheck() -> None:
    scripts = [
        path
        for folder in ("scripts", ".ci")
        for path in (ROOT / folder).iterdir()
        if not path.suffix and path.is_file()
    ]
    assert scripts
    checked = (ROOT / "scripts/check").read_text()
    for path in scripts:
        assert path.stat().st_mode & 0o111, path
        assert path.read_text().startswith("#!/usr/bin/env bash\n"), path
        assert str(path.relative_to(ROOT)) in checked, path
