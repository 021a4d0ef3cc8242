"""What a person names as a file is read to a bearable length, or told in one line: it never hangs."""

import os
import threading
from pathlib import Path

import pytest

from chaoslab.cli.main import main
from chaoslab.core import bounded
from chaoslab.core.bounded import read_bounded

FILE = "title: t\ndescription: d\nmethod: [{type: action, name: a, provider: {type: process, path: 'true'}}]\n"
LARGE = 3 << 30


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(bounded, "PATIENCE_S", 0.2)
    Path("x.yaml").write_text(FILE)
    Path("folder.yaml").mkdir()
    os.mkfifo("pipe.yaml")
    with Path("large.yaml").open("wb") as file:
        file.truncate(LARGE)


def test_one_byte_more_than_it_may_have_is_read():
    assert read_bounded(Path("x.yaml"), 10**6) == FILE.encode()
    assert read_bounded(Path("x.yaml"), 3) == FILE.encode()[:4]
    assert read_bounded(Path("/dev/null"), 3) == b""
    assert len(read_bounded(Path("/dev/zero"), 5 << 20)) == (5 << 20) + 1


def test_what_a_program_writes_into_a_pipe_is_read_to_its_end(monkeypatch):
    monkeypatch.setattr(bounded, "PATIENCE_S", 60.0)
    parts = [b"one", b"x" * 100_000, b"end"]

    def write():
        with Path("pipe.yaml").open("wb", buffering=0) as pipe:
            for part in parts:
                pipe.write(part)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert read_bounded(Path("pipe.yaml"), 10**6) == b"".join(parts)
    finally:
        writer.join()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ("plan", "x.yaml", "--var-file", "pipe.yaml"),
            "cannot read the variables in pipe.yaml: it is a pipe",
        ),
        (("plan", "x.yaml", "--var-file", "folder.yaml"), "cannot read the variables in folder.yaml: Is a directory"),
        (
            ("plan", "x.yaml", "--var-file", "large.yaml"),
            "in large.yaml: it is larger than 1 MB",
        ),
        (
            ("plan", "x.yaml", "--var-file", "/dev/zero"),
            "in /dev/zero: it is larger than 1 MB",
        ),
        (("plan", "pipe.yaml"), "pipe.yaml is a pipe or a device; name a file"),
        (("run", "/dev/zero"), "/dev/zero is a pipe or a device; name a file"),
        (("plan", "folder.yaml"), "folder.yaml is a folder without a drill.yaml; name a file"),
        (("run", "large.yaml"), "large.yaml:1:1: the file is larger than 1 MB"),
        (("check", "pipe.yaml"), "pipe.yaml is a pipe or a device; name a file"),
        (("check", "large.yaml"), "large.yaml:1:1: error: the file is larger than 1 MB"),
        (
            ("check", "x.yaml", "--baseline", "pipe.yaml"),
            "cannot read the baseline pipe.yaml: it is a pipe",
        ),
        (("run", "x.yaml", "--plan", "pipe.yaml"), "cannot read the plan pipe.yaml: it is a pipe"),
    ],
)
def test_what_is_no_file_is_one_clear_line(words, told, capsys):
    assert main(list(words)) == 2
    said = capsys.readouterr()
    [line] = [line for line in (said.out + said.err).splitlines() if " in 1 of 1 file" not in line]
    assert told in line


@pytest.mark.parametrize("command", ["check", "plan", "run", "show", "import", "report"])
@pytest.mark.parametrize("name", ["x" * 300, "x" * 300 + ".yaml", "/" + "x/" * 3000], ids=len)
def test_a_name_that_no_file_can_have_is_a_file_that_is_not_there(command, name, capsys):
    assert main([command, name]) == 2
    said = capsys.readouterr()
    assert "internal error" not in said.err
    assert len((said.out + said.err).splitlines()) <= 2


def test_a_module_of_a_long_name_is_one_that_nobody_knows(capsys):
    provider = f"{{type: python, module: {'x' * 1000}, func: f}}"
    Path("long.yaml").write_text(FILE.replace("{type: process, path: 'true'}", provider))
    assert main(["check", "long.yaml"]) == 0
    assert main(["plan", "long.yaml"]) == 2
