"""The embedded lab: real PostgreSQL, a small service, a proxy between them, a heartbeat."""

from chaoslab.lab.lifecycle import start, status, stop

__all__ = ["start", "status", "stop"]
