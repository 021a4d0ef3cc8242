"""The steps of the recovery under test: fetch the dump, provision a server, restore."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chaoslab.postgres.comparison.accepting import parse_accepted, with_accepted
from chaoslab.postgres.drill.handover import DrillStopped, binaries_for, described, opened
from chaoslab.postgres.logical.archive import damage
from chaoslab.postgres.logical.fetch import fetch_backup
from chaoslab.postgres.logical.restore import RestoreFailed, Restoring, restore_backup
from chaoslab.postgres.servers import scratch as scratches
from chaoslab.postgres.servers.cluster import Cluster
from chaoslab.postgres.servers.scratch import Scratch
from chaoslab.postgres.telling import tell, tell_profile, watch_serving
from chaoslab.runtime.arguments import seconds
from chaoslab.runtime.session import current
from chaoslab.runtime.steps import step


@step("recover")
def fetch(
    backup: Mapping[str, Any], scratch: Mapping[str, str], bin_dir: str = "", deadline: str = "4h"
) -> dict[str, Any]:
    """Copy the dump to where it is restored, and prove that the copy is whole.

    Args:
        backup: the output of `take_or_open_backup`
        scratch: the output of `scratch`
        bin_dir: folder of PostgreSQL's programs; '' looks for them
        deadline: how long reading through the dump may take

    Raises:
        DrillStopped: the dump is truncated or damaged.
    """
    session = current()
    begun_s = session.now_s()
    binaries = binaries_for(backup, bin_dir)
    original = opened(backup, binaries)
    copy = fetch_backup(original, Scratch(Path(scratch["folder"])), watch=session.check_abort)
    found = damage(copy, binaries, deadline_s=seconds("deadline", deadline), watch=session.check_abort)
    session.figure("fetch_s", round(session.now_s() - begun_s, 3), "s")
    if found:
        tell(session, found)
        raise DrillStopped(found[0].message)
    session.mark("fetched")
    return {**described(copy, backup["source_database"]), "made_by_drill": backup["made_by_drill"]}


@step("recover")
def provision(
    backup: Mapping[str, Any],
    scratch: Mapping[str, str],
    *,
    profile: str = "verify",
    jobs: int = 2,
    bin_dir: str = "",
    deadline: str = "5m",
) -> dict[str, Any]:
    """Make and start the scratch server.

    Args:
        backup: the output of `fetch`
        scratch: the output of `scratch`
        profile: `verify` is fast, `rta` as durable as production
        jobs: connections that will restore at the same time
        bin_dir: folder of PostgreSQL's programs; '' looks for them
        deadline: how long making and starting it may take

    Raises:
        PostgresFailed: the server does not come up.
    """
    session = current()
    begun_s = session.now_s()
    cluster = scratches.provision(
        Scratch(Path(scratch["folder"])),
        binaries_for(backup, bin_dir),
        profile=profile,
        jobs=jobs,
        deadline_s=seconds("deadline", deadline),
    )
    session.secrets.register(cluster.password)
    session.figure("provision_s", round(session.now_s() - begun_s, 3), "s")
    session.mark("provisioned")
    tell_profile(session, profile, "scratch server")
    return {"server": str(cluster.folder), "major": cluster.major, "profile": profile}


@step("recover")
def restore(
    backup: Mapping[str, Any],
    scratch: Mapping[str, str],
    server: Mapping[str, Any],
    *,
    jobs: int = 2,
    bin_dir: str = "",
    accept: str = "",
    deadline: str = "4h",
) -> dict[str, Any]:
    """Restore the roles and the database into the scratch server.

    Args:
        backup: the output of `fetch`
        scratch: the output of `scratch`
        server: the output of `provision`
        jobs: connections that restore at the same time
        bin_dir: folder of PostgreSQL's programs; '' looks for them
        accept: differences that do not count, `code@where: reason; ...`
        deadline: how long each program may take

    Raises:
        RestoreFailed: no database came of it; the findings say why.
    """
    session = current()
    cluster, binaries = Cluster.open(Path(server["server"])), binaries_for(backup, bin_dir)
    how = Restoring(
        Scratch(Path(scratch["folder"])),
        cluster,
        binaries,
        jobs=jobs,
        deadline_s=seconds("deadline", deadline),
        watch=session.check_abort,
    )
    restored = restore_backup(opened(backup, binaries), how, database=backup["source_database"])
    failures = tell(session, with_accepted(restored.differences, parse_accepted(accept)))
    session.figure("restore_s", round(restored.globals_s + restored.database_s, 3), "s")
    stopping = {"scratch-server-died", "scratch-disk-full", "restore-too-slow", "backup-truncated", "backup-corrupt"}
    stopped = [one for one in restored.differences if one.code in stopping]
    if stopped or not restored.usable:
        raise RestoreFailed(stopped[0].message if stopped else "no database came of the restore")
    session.mark("restored")
    watch_serving(session).open_to_clients(cluster.dsn(restored.database))
    return {"server": server["server"], "database": restored.database, "failures": failures}
