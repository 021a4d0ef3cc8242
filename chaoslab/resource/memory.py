"""Memory is taken, up to a bound, and given back first when the machine itself needs it.

python -m chaoslab.resource.memory     is the holder, with its order on stdin
"""

import ctypes
import mmap
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from chaoslab.core.errors import BadUsage, Refused
from chaoslab.core.units import format_share, format_size
from chaoslab.resource.available import memory, stalled_s
from chaoslab.runtime.arguments import share as share_of
from chaoslab.runtime.arguments import share_or_size, size_bytes, time_to_live
from chaoslab.runtime.clock import CLOCK
from chaoslab.runtime.fault import Data, Fault, Pinned
from chaoslab.runtime.holder import Hold, hold
from chaoslab.runtime.session import current, has_session

NAME = "resource.memory.press"
GUARD = "resource"
RELEASED = "memory-released-early"
_FLOOR_MIN = 64 << 20
"""Less than this left free, and the machine is lost to whoever would have to undo."""
_READY_WITHIN_S = 15.0
_PIECE = 8 << 20
_ENOUGH = 0.95
_LOOK_S = 0.05
_WINDOW_S = 1.0
_WORST = 1000


def _press(data: Data) -> dict[str, Any]:
    place = Hold(data["hold"])
    wanted = _wanted_bytes(data)
    order = {"bytes": wanted, "floor": data["floor"], "pressure": data["pressure"], "note": str(_note(place))}
    place.start("chaoslab.resource.memory", order, ttl_s=data["ttl_s"], ready_within_s=_READY_WITHIN_S)
    place.write(bytes=wanted)
    return {"bytes": wanted}


def _is_held(data: Data) -> bool:
    """Ask the kernel how much of it the holder really has in memory."""
    known = Hold(data["hold"]).read() or {}
    if "bytes" not in known or not Hold(data["hold"]).is_alive():
        return False
    status = Path(f"/proc/{known['process']['pid']}/status").read_text()
    held_kib = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))
    return held_kib * 1024 >= _ENOUGH * int(known["bytes"])


def _release(data: Data) -> None:
    place = Hold(data["hold"])
    place.end()
    with suppress(FileNotFoundError):
        reason = _note(place).read_text()
        _note(place).unlink()
        if has_session():
            # Without this word the report would show a press that was over long before its undo.
            current().finding(RELEASED, severity="warning", where="memory", message=reason)
    place.remove()


PRESS = Fault(inject=_press, effective=_is_held, undo=_release, effective_within_s=60.0)


@PRESS.action
def press(share: str = "", *, size: str = "", floor: str = "512MiB", pressure: str = "10%", ttl: str = "60s") -> Pinned:
    """Take memory until a share of it is in use, or a given size, and keep it.

    What counts as all the memory is the machine's, or that of the cgroup which the run is in. The kernel's
    out-of-memory killer takes the holder first, and the holder gives everything back as soon as less than the floor is
    available, or others have had to wait for memory for too large a part of a second.

    Args:
        share: how much shall be in use, by everybody together, such as 80%
        size: how much to take, such as 512MiB, instead of the share
        floor: how much must stay available, at least 64MiB
        pressure: for what part of a second others may wait for memory, as the kernel counts it (PSI)
        ttl: how long it may last without the runner's word

    Blast radius: whoever needs memory on this machine, or in the cgroup that the run is in.
    Undo: the holder is killed, which frees all; it also ends by itself when the time is over.
    Effective when: the kernel counts what was asked for as resident memory of the holder.

    Raises:
        BadUsage: an argument makes no sense.
        Refused: so much is in use already, or the floor cannot be kept, or this very press is on already.
    """
    part, wanted = share_or_size(share, size)
    data: dict[str, Any] = {
        "share": part,
        "size": wanted,
        "floor": size_bytes("floor", floor),
        "pressure": share_of("pressure", pressure),
        "ttl_s": time_to_live(ttl),
    }
    if data["floor"] < _FLOOR_MIN:
        raise BadUsage(f"floor: at least {format_size(_FLOOR_MIN)} must stay available")
    _wanted_bytes(data)
    told = f"up to {format_share(data['share'])}" if share else format_size(data["size"])
    target = f"memory of this machine, {told}, {format_size(data['floor'])} left free"
    return Pinned(target=target, data={"hold": str(Hold.pinned(NAME, target, {}).path), **data}, ttl_s=data["ttl_s"])


def _wanted_bytes(data: Data) -> int:
    """Return how much to take now.

    Raises:
        Refused: that much is in use already, or would not leave the floor.
    """
    now = memory()
    wanted = int(data["size"]) or int(data["share"] * now.total) - (now.total - now.available)
    if wanted <= 0:
        asked, used = format_share(data["share"]), format_share(round(now.used_share, 3))
        raise Refused(GUARD, f"{used} of the memory is in use already, and {asked} is asked for")
    if now.available - wanted < data["floor"]:
        free, floor = format_size(now.available), format_size(data["floor"])
        raise Refused(GUARD, f"{format_size(wanted)} of {free} available would not leave the floor of {floor}")
    return wanted


def _note(place: Hold) -> Path:
    """Return the file in which the holder says why it gave the memory back before its time."""
    return place.path.with_suffix(".released")


def _take(order: dict[str, Any]) -> tuple[dict[str, Any], Callable[[], NoReturn]]:
    Path("/proc/self/oom_score_adj").write_text(str(_WORST))

    def stay() -> NoReturn:
        held: list[mmap.mmap] = []
        left, looks = int(order["bytes"]), [(CLOCK.mono(), stalled_s())]
        while True:
            if left and memory().available - min(left, _PIECE) >= order["floor"]:
                held.append(_piece(min(left, _PIECE)))
                left -= len(held[-1])
            if why := _too_much(order, looks):
                _note_down(Path(order["note"]), why)
                os._exit(0)  # all of it at once
            if not left:
                CLOCK.sleep(_LOOK_S)

    return {"bytes": order["bytes"]}, stay


def _piece(length: int) -> mmap.mmap:
    """Return memory with something different in each page, kept from being swapped out where the kernel lets us."""
    piece = mmap.mmap(-1, length, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    for start in range(0, length, mmap.PAGESIZE):
        piece[start : start + 16] = os.urandom(16)
    address = ctypes.addressof(ctypes.c_char.from_buffer(piece))
    ctypes.CDLL(None).mlock(ctypes.c_void_p(address), ctypes.c_size_t(length))
    return piece


def _too_much(order: dict[str, Any], looks: list[tuple[float, float | None]]) -> str:
    """Return why the machine needs its memory back, or ''. Keeps the looks of the last second."""
    free = memory().available
    if free < order["floor"]:
        return f"only {format_size(free)} was available any more, so everything was given back"
    now_s, stalled = CLOCK.mono(), stalled_s()
    looks.append((now_s, stalled))
    while now_s - looks[0][0] > _WINDOW_S:
        looks.pop(0)
    before = looks[0][1]
    if stalled is not None and before is not None and stalled - before > order["pressure"] * _WINDOW_S:
        waited = format_share(round(min(1.0, (stalled - before) / _WINDOW_S), 3))
        return f"others waited for memory for {waited} of a second, so everything was given back"
    return ""


def _note_down(file: Path, why: str) -> None:
    with suppress(OSError):
        file.write_text(why)


if __name__ == "__main__":
    hold(_take)
