"""The steps of a corruption drill, in their order."""

from __future__ import annotations

from chaoslab.postgres.corruption.damaging import confirm, corrupt
from chaoslab.postgres.corruption.noticing import detect
from chaoslab.postgres.corruption.proving import verify
from chaoslab.postgres.corruption.recovering import recover
from chaoslab.postgres.corruption.settling import back_up, settle

__all__ = ["back_up", "confirm", "corrupt", "detect", "recover", "settle", "verify"]
