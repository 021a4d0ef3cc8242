"""Facts of one database, as JSON-able data: what is in it and what it is made of."""

from chaoslab.postgres.facts.collect import Facts, Level, collect_facts, method_of

__all__ = ["Facts", "Level", "collect_facts", "method_of"]
