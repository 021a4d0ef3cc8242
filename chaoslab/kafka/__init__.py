"""Kafka: what befalls a broker and those who read from it."""
