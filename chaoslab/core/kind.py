"""What an exercise can be."""

from typing import Literal

Kind = Literal["drill", "experiment"]
"""A drill comes back from a disaster; an experiment stays in its steady state under a fault."""
