"""A streaming standby of a server of ours, made by pg_basebackup."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path

from chaoslab.postgres.programs.commands import run
from chaoslab.postgres.servers.cluster import Cluster
from chaoslab.postgres.servers.folders import give, make_passable, require_empty, write_private
from chaoslab.postgres.servers.ports import free_port


def make_standby(primary: Cluster, folder: Path, *, deadline_s: float = 120.0) -> Cluster:
    """Make and start a standby that follows a running server of ours; role and password are the primary's.

    Args:
        primary: the server to follow
        folder: the standby's home; it does not exist or is empty
        deadline_s: seconds that the copy may take

    Raises:
        PostgresFailed: the folder is not usable, or the copy failed; what was made is removed again.
    """
    home = folder.absolute()
    standby = Cluster(home, primary.bin, primary.major, primary.superuser, primary.password, primary.user)
    require_empty(home)
    try:
        make_passable(home)
        for path in (standby.data, home / "socket"):
            path.mkdir(mode=0o700)
            give(path, standby.user)
        standby.log.touch(mode=0o600)
        give(standby.log, standby.user)
        source = f"host=127.0.0.1 port={primary.port} user={primary.superuser} application_name=standby"
        run(
            [primary.bin / "pg_basebackup", "-D", standby.data, "-d", source, "-R", "-X", "stream", "-c", "fast"],
            deadline_s=deadline_s,
            user=standby.user,
            environment={"PGPASSWORD": primary.password},
        )
        # The copy includes the primary's chaoslab.conf; only what must differ is said anew.
        shutil.copyfile(primary.folder / "settings.json", home / "settings.json")
        give(home / "settings.json", standby.user)
        known = {name: value for name, value in asdict(standby).items() if name != "folder"}
        write_private(home / "cluster.json", json.dumps({**known, "bin": str(standby.bin)}, indent=1))
        standby.configure({"port": free_port()})
        standby.start(deadline_s)
    except BaseException:
        standby.stop("immediate")
        shutil.rmtree(home, ignore_errors=True)
        raise
    return standby
