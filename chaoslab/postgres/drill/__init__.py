"""The steps of the drill that restores one logical backup; catalog files name them in `postgres/actions.py`."""
