"""What the kernel says of a container whose daemon is this machine's: is it frozen, what may it use."""

from __future__ import annotations

from pathlib import Path

from chaoslab.docker.target import Container, is_here

_V1, _V2 = Path("/sys/fs/cgroup"), (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified"))


def cgroup_file(container: Container, controller: str, *names: str) -> str:
    """Return what a container's control group says in the first of these files that is there; '' when none is.

    Args:
        container: whose daemon is this machine's; of any other nothing is known here
        controller: `freezer`, `cpu`, `memory`: the hierarchy of the older kind
        names: the file, as it is called in the older kind and in the newer one
    """
    if not is_here(container):
        return ""
    for line in Path(f"/proc/{container.pid}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        for root in (_V1 / controllers,) if controllers else _V2:
            for name in names:
                file = root / path.lstrip("/") / name
                if file.is_file():
                    return file.read_text().strip()
    return ""


def is_frozen(container: Container) -> bool:
    """Say whether the kernel holds every process of a container; of one elsewhere its daemon alone can say."""
    told = cgroup_file(container, "freezer", "freezer.state", "cgroup.events")
    if not told:
        return True
    return told == "FROZEN" or "frozen 1" in told.splitlines()
