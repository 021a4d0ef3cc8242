"""What the README and the docs show first can be done as it stands, on a lab of one's own."""

import re
import shlex
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
OWN = (ROOT / "docs" / "experiments.md").read_text(encoding="utf-8")


def typed(person, line):
    """Type a line of chaoslab's as it is shown; `<run>` stands for the newest run."""
    newest = person.runs()[-1].name if "<run>" in line else ""
    done = person.types(*shlex.split(line.replace("<run>", newest), comments=True)[1:])
    assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"
    return done


def test_the_readme_and_an_experiment_of_ones_own(newcomer):
    block = README.partition("## What it is like")[2].partition("```console\n")[2].partition("```")[0]
    lines = [line.removeprefix("$ .venv/bin/") for line in block.splitlines()]
    assert [line.split()[1] for line in lines] == ["list", "lab", "plan", "run", "run", "report", "undo", "lab"]
    for line in lines[:-1]:
        typed(newcomer, line)
    (newcomer.folder / "lookups.yaml").write_text(OWN.partition("```yaml\n")[2].partition("```")[0])
    shown = re.findall(r"^    (chaoslab \w+ lookups.yaml)$", OWN, re.MULTILINE)
    assert [line.split()[1] for line in shown] == ["check", "plan", "run"]
    assert "no problem" in typed(newcomer, shown[0]).stderr
    for line in shown[1:]:
        typed(newcomer, line)
    typed(newcomer, lines[-1])
