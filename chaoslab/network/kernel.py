"""What this kernel can do with packets, as its own lists say; trying it would touch the machine."""

import gzip
import os
from pathlib import Path

from chaoslab.core.errors import Missing
from chaoslab.core.needs import NEEDS


def has_netem() -> bool:
    """Say whether the kernel has netem, or may have: without any list nobody knows, and the step finds out."""
    return has_module("sch_netem", "CONFIG_NET_SCH_NETEM")


def has_module(module: str, option: str) -> bool:
    """Say whether the kernel has a module, built in or loadable.

    Args:
        module: its name, `sch_netem`
        option: the option of the kernel's configuration that builds it
    """
    if Path("/sys/module", module).is_dir():
        return True
    config = Path("/proc/config.gz")
    if config.is_file():
        return f"\n{option}=".encode() in gzip.decompress(config.read_bytes())
    modules = Path("/lib/modules") / os.uname().release
    lists = [path for path in (modules / "modules.builtin", modules / "modules.dep") if path.is_file()]
    return not lists or any(f"/{module}.ko" in path.read_text(errors="replace") for path in lists)


def require_netem() -> None:
    """Refuse where there is no netem.

    Raises:
        Missing: the kernel has none.
    """
    if not has_netem():
        raise Missing("netem", NEEDS["netem"])
