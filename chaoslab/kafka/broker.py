"""A Kafka cluster as its clients see it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from chaoslab.core.errors import BadUsage, ChaoslabError, Missing

ANSWER_S = 5.0
_quiet = logging.getLogger("chaoslab.kafka")
_quiet.addHandler(logging.NullHandler())
_quiet.propagate = False
"""The client would tell everybody on stderr that a broker is away, which we have just brought about."""


class KafkaFailed(ChaoslabError):
    """The cluster does not answer, or has no such thing."""


def load_kafka() -> Any:
    """Return the module confluent_kafka.

    Raises:
        Missing: it is not installed.
    """
    try:
        import confluent_kafka
        import confluent_kafka.admin
    except ImportError:
        raise Missing("confluent-kafka", "pip install 'chaoslab[kafka]'") from None
    return confluent_kafka


def is_reachable(bootstrap: str, *, timeout_s: float = ANSWER_S) -> bool:
    """Say whether a broker answers."""
    try:
        topic_state(bootstrap, "", timeout_s=timeout_s)
    except KafkaFailed:
        return False
    return True


def topic_state(bootstrap: str, topic: str, *, timeout_s: float = ANSWER_S) -> dict[int, str]:
    """Return what is wrong with each partition of a topic, '' for nothing; {} for a topic that is not there.

    Args:
        bootstrap: `host:port`, or several with commas
        topic: its name; '' asks only whether a broker answers
        timeout_s: seconds that the answer may take

    Raises:
        KafkaFailed: nobody answers; one line.
    """
    admin = _admin(bootstrap)
    found = _asked(bootstrap, lambda: admin.list_topics(timeout=timeout_s))
    if not topic or topic not in found.topics or found.topics[topic].error is not None:
        return {}
    return {number: _trouble(partition, found.brokers) for number, partition in found.topics[topic].partitions.items()}


def group_lag(bootstrap: str, group: str, topic: str, *, timeout_s: float = ANSWER_S) -> dict[int, int]:
    """Return for each partition how many messages a consumer group has not yet said to have read.

    A partition in which the group has committed nothing counts from its oldest message.

    Args:
        bootstrap: `host:port`, or several with commas
        group: the consumer group
        topic: the topic that it reads
        timeout_s: seconds that each answer may take

    Raises:
        KafkaFailed: nobody answers, or there is no such topic; one line.
    """
    kafka = load_kafka()
    partitions = sorted(topic_state(bootstrap, topic, timeout_s=timeout_s))
    if not partitions:
        raise KafkaFailed(f"{bootstrap} has no topic {topic}")
    consumer = _asker(bootstrap, group)
    places = [kafka.TopicPartition(topic, number) for number in partitions]
    committed = _asked(bootstrap, lambda: consumer.committed(places, timeout=timeout_s))
    lags = {}
    for place in committed:
        low, high = _asked(bootstrap, lambda place=place: consumer.get_watermark_offsets(place, timeout=timeout_s))
        lags[place.partition] = max(0, high - (place.offset if place.offset >= 0 else low))
    return lags


@lru_cache(maxsize=8)
def _admin(bootstrap: str) -> Any:
    """Return a client that stays connected: to connect anew takes longer than many questions."""
    return load_kafka().admin.AdminClient(_settings(bootstrap), logger=_quiet)


@lru_cache(maxsize=8)
def _asker(bootstrap: str, group: str) -> Any:
    """Return a consumer that subscribes to nothing, so it joins no group and only asks; it stays connected."""
    settings = {**_settings(bootstrap), "group.id": group, "enable.auto.commit": False}
    return load_kafka().Consumer(settings, logger=_quiet)


def _settings(bootstrap: str) -> dict[str, Any]:
    if not bootstrap.strip():
        raise BadUsage("bootstrap: write HOST:PORT of a broker")
    return {
        "bootstrap.servers": bootstrap,
        "socket.timeout.ms": round(ANSWER_S * 1000),
        "reconnect.backoff.max.ms": 500,
    }


def _asked(bootstrap: str, ask: Any) -> Any:
    try:
        return ask()
    except load_kafka().KafkaException as broken:
        error = broken.args[0] if broken.args else broken
        reason = error.str() if hasattr(error, "str") else str(error)
        raise KafkaFailed(f"Kafka at {bootstrap}: {reason}") from broken


def _trouble(partition: Any, brokers: Mapping[int, Any]) -> str:
    """Return what is wrong with a partition, or ''."""
    if partition.leader not in brokers:
        return "has no leader"
    behind = set(partition.replicas) - set(partition.isrs)
    return f"replicas {sorted(behind)} are not in sync" if behind else ""
