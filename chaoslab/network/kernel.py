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


def require_ifb(why: str) -> None:
    """Refuse where packets cannot be led through a device of ours, or only by one that leaves others behind.

    Args:
        why: why they must be; '' when packets that arrive are meant

    Raises:
        Missing: the kernel has no ifb, sch_ingress or act_mirred, or would make ifb0 and ifb1 when it loads ifb.
    """
    needed = {"ifb": "CONFIG_IFB", "sch_ingress": "CONFIG_NET_SCH_INGRESS", "act_mirred": "CONFIG_NET_ACT_MIRRED"}
    if absent := [module for module, option in needed.items() if not has_module(module, option)]:
        need = f"{why}; to shape beside it, {absent[0]}" if why else absent[0]
        raise Missing(need, f"use a Linux kernel that has {absent[0]} (modprobe {absent[0]})")
    if _only_loadable("ifb"):
        raise Missing("ifb", "`modprobe ifb numifbs=0`: loaded without that, it would make the devices ifb0 and ifb1")


def _only_loadable(module: str) -> bool:
    """Say whether a module is there and not loaded yet."""
    listed = Path("/lib/modules", os.uname().release, "modules.dep")
    loadable = listed.is_file() and f"/{module}.ko" in listed.read_text(errors="replace")
    return loadable and not Path("/sys/module", module).is_dir()


def require_netem() -> None:
    """Refuse where there is no netem.

    Raises:
        Missing: the kernel has none.
    """
    if not has_netem():
        raise Missing("netem", NEEDS["netem"])
