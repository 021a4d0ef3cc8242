"""Logical backups: dumps taken, opened, and restored."""
