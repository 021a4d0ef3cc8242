"""An experiment of the catalog, run as a person runs it, and what it is to have passed."""

import contextlib
import json
import os
import subprocess
import sys

import chaoslab.lab

COMMAND = [sys.executable, "-c", "import sys; from chaoslab.cli.main import main; sys.exit(main())"]
DEADLINE_S = 300


@contextlib.contextmanager
def usual_lab(home, **options):
    """Lend a small running lab, which is the usual one meanwhile."""
    before = os.environ.get("CHAOSLAB_LAB_HOME")
    os.environ["CHAOSLAB_LAB_HOME"] = str(home)
    try:
        yield chaoslab.lab.start(**{"databases": 1, "size_mb": 2} | options)
    finally:
        chaoslab.lab.stop(home, remove=True)
        if before is None:
            del os.environ["CHAOSLAB_LAB_HOME"]
        else:
            os.environ["CHAOSLAB_LAB_HOME"] = before


def words_of(file, tmp_path, variables):
    """Return the command that runs a file."""
    given = [word for name, value in variables.items() for word in ("--var", f"{name}={value}")]
    return [*COMMAND, "run", str(file), "--json", "--reports", str(tmp_path / "reports"), *given]


def run(file, tmp_path, *, prefix=(), **variables):
    """Run a file; return its exit code, its report, and what it said.

    Args:
        file: the file of the catalog
        tmp_path: where its reports and its state lie
        prefix: the words of a command that runs it somewhere else, as `ip netns exec` does
        variables: the file's variables
    """
    done = subprocess.run(
        [*prefix, *words_of(file, tmp_path, variables)],
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE_S,
        cwd=tmp_path,
        env=os.environ | {"XDG_STATE_HOME": str(tmp_path / "home"), "NO_COLOR": "1"},
    )
    return done.returncode, json.loads(done.stdout or "{}"), done.stderr


def passes(file, tmp_path, *, patience=0, **more):
    """Run a file, which must pass in every respect, and return its report.

    It lasts a second, unless told otherwise. A run whose prober stood still itself says so; then it is asked once more.

    Args:
        file: the file of the catalog
        tmp_path: where its reports and its state lie
        patience: how many times it is asked again if it proves nothing, on a machine that may have no time for it
        more: as for `run`
    """
    lasting = "${duration}" in file.read_text()
    more = ({"duration": "1s"} if lasting else {}) | more
    code, report, said = run(file, tmp_path, **more)
    if code == 11 and "prober-stalled" in {finding["code"] for finding in report["findings"]}:
        patience = max(patience, 1)
    while code == 11 and patience:
        patience -= 1
        code, report, said = run(file, tmp_path, **more)
    assert code == 0, said
    assert report["outcome"] == "passed"
    assert {objective["outcome"] for objective in report["objectives"]} == {"met"}
    [fault] = report["faults"]
    assert fault["effective_s"] is not None
    assert fault["undone_by"] == ("run" if lasting else "itself")
    assert report["residue"] == []
    return report
