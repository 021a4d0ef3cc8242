"""Workers that share a snapshot: the first thing that cannot be read is what is told."""

import threading

import pytest

from chaoslab.postgres.snapshot import CannotRead, Team


class Quiet:
    """A connection that takes every statement."""

    def execute(self, statement):
        """Take it."""

    def cancel_safe(self, timeout):
        """Have nothing to cancel."""

    def close(self):
        """Have nothing to close."""


def test_what_comes_after_a_failure_tells_of_the_first_one():
    begun = threading.Event()

    def fail(connection):
        begun.wait(5)
        raise CannotRead("clinic.patient cannot be read: row-level security")

    def complain(connection):
        raise CannotRead("large objects cannot be read: current transaction is aborted")

    with Team(Quiet, "", jobs=1) as team:
        first, later = team.submit(fail), team.submit(complain)
        begun.set()
        for future in (later, first):
            with pytest.raises(CannotRead, match="row-level security"):
                future.result()
