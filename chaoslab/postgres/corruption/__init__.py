"""Flip bytes on purpose, and find flipped bytes."""
