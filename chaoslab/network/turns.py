"""One after the other in a network namespace, also when somebody is killed in the midst of it.

A runner killed by SIGKILL leaves the program that it had just started, `tc` or `nft`, behind for a moment. An undo that
came before that program's work would remove nothing, and the fault would stand afterwards. So who changes a namespace
holds a lock on the namespace itself, and so does the program, which inherits it: the undo waits for both.
"""

import fcntl
import json
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from chaoslab.network.namespace import DEADLINE_S, Place, open_place, run_in, start_at, within
from chaoslab.network.programs import finish
from chaoslab.runtime.clock import CLOCK

_POLL_S = 0.002


@contextmanager
def turn(place: Place) -> Iterator[int]:
    """Wait until nobody else changes the place, then hold it; yields the file that a program must inherit.

    A program that hangs for longer than its deadline is not waited for: it was told to end, or hangs in the kernel.

    Raises:
        Gone: that very namespace is no more.
    """
    file = open_place(place)
    try:
        until_s = CLOCK.mono() + 2 * DEADLINE_S
        while not _taken(file) and CLOCK.mono() < until_s:
            CLOCK.sleep(_POLL_S)
        yield file
    finally:
        os.close(file)


def change(place: Place, argv: Sequence[str], *, stdin: str = "", held: int) -> str:
    """Run a program that changes a place whose turn is held, and return what it printed.

    Raises:
        ProgramFailed: the program said no, or did not end in time.
        Missing: there is no such program.
    """
    return finish(start_at(held, place, argv, pass_fds=(held,)), argv, stdin=stdin, deadline_s=DEADLINE_S)


def names_of(place: Place, held: int) -> dict[int, str]:
    """Return the names of the interfaces in a place whose turn is held, by the kernel's numbers for them."""
    if place.by_user:  # only a program of its own may enter there
        links = json.loads(run_in(place, ["ip", "-j", "link", "show"]))
        return {int(link["ifindex"]): str(link["ifname"]) for link in links if link}
    return dict(within(held, socket.if_nameindex))


def _taken(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
