"""The steps of the drill over many databases, as its file names them."""

from chaoslab.postgres.fleet.choosing import choose
from chaoslab.postgres.fleet.dumping import dump
from chaoslab.postgres.fleet.recovering import declare_disaster, recover_all

__all__ = ["choose", "declare_disaster", "dump", "recover_all"]
