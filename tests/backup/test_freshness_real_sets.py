"""The nightly look at what `chaoslab backup` really wrote a moment ago, here and in an object store."""

import os
import subprocess
import sys

import pytest
from nights import look

START = "import sys; from chaoslab.cli.main import main; sys.exit(main())"


@pytest.mark.parametrize("form", ["custom", "directory"])
def test_sets_of_a_real_run(tmp_path, server, bucket, form):
    here, there = tmp_path / "sets", f"s3://{bucket.name}/nightly"
    command = [sys.executable, "-c", START, "backup", "--to", here, "--s3", there, "--format", form]
    environment = os.environ | {"CHAOSLAB_BACKUP_SOURCE": server.dsn("billing")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

    looked = look(
        tmp_path,
        stores=f"{here};{there}",
        source=server.dsn("billing"),
        storage_class="STANDARD_IA",
        rpo="15m",
    )
    assert looked.outcome == "passed", looked
    assert {"billing", "shop_orders", "shop_users"} <= looked.parts.keys()
    assert "backup-not-read" not in looked.codes("note"), looked

    [dump] = [path for path in here.rglob("*") if path.name.startswith("billing-") and path.suffix in {".dump", ".dir"}]
    broken = dump / "toc.dat" if dump.is_dir() else dump
    content = bytearray(broken.read_bytes())
    content[len(content) // 2] ^= 1
    broken.write_bytes(content)
    looked = look(tmp_path, stores=f"{here};{there}", rpo="15m")
    assert looked.codes() == {"backup-checksum-differs"}, looked
    assert looked.parts["billing"].outcome == "failed"
