"""The embedded lab: real PostgreSQL, a small service, a proxy between them, a heartbeat."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chaoslab.lab.lifecycle import start, status, stop

__all__ = ["start", "status", "stop"]


def __getattr__(name: str) -> Any:
    """Load what starts and stops the lab when it is asked for: the lab's own processes have no use for it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from chaoslab.lab import lifecycle

    return getattr(lifecycle, name)
