"""A small producer and a small consumer of one topic.

python -m chaoslab.lab.kafka_clients producer --bootstrap 127.0.0.1:9092 --topic appointments --rate 50
python -m chaoslab.lab.kafka_clients consumer --bootstrap 127.0.0.1:9092 --topic appointments --group notifications
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import count
from typing import Any

from chaoslab.runtime.clock import CLOCK

SESSION_S = 6.0
"""How long a consumer may be silent before its partitions go to others: the least that a broker allows."""
_COMMIT_S = 0.2
_POLL_S = 0.2


def produce(bootstrap: str, topic: str, rate_hz: float) -> None:
    """Write numbered messages at a steady rate; while the broker is away they wait."""
    import confluent_kafka

    producer = confluent_kafka.Producer(
        {"bootstrap.servers": bootstrap, "linger.ms": 5, "message.timeout.ms": 120_000, "reconnect.backoff.max.ms": 500}
    )
    begin_s = CLOCK.mono()
    for number in count():
        CLOCK.sleep(begin_s + number / rate_hz - CLOCK.mono())
        try:
            producer.produce(topic, key=str(number), value=f'{{"appointment": {number}}}')
        except BufferError:
            producer.poll(_POLL_S)  # the broker has been away for long: what does not fit is not written
        producer.poll(0)


def consume(bootstrap: str, topic: str, group: str) -> None:
    """Read messages and say how far it has come, in the name of a group."""
    import confluent_kafka

    settings: dict[str, Any] = {
        "bootstrap.servers": bootstrap,
        "group.id": group,
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
        "session.timeout.ms": round(SESSION_S * 1000),
        "heartbeat.interval.ms": 1000,
        "topic.metadata.refresh.interval.ms": 1000,
        "allow.auto.create.topics": True,
        "reconnect.backoff.max.ms": 500,
    }
    consumer = confluent_kafka.Consumer(settings)
    consumer.subscribe([topic])
    committed_s, is_new = CLOCK.mono(), False
    while True:
        message = consumer.poll(_POLL_S)
        is_new = is_new or (message is not None and message.error() is None)
        if is_new and CLOCK.mono() - committed_s >= _COMMIT_S:
            try:
                consumer.commit(asynchronous=False)
            except confluent_kafka.KafkaException:
                CLOCK.sleep(_POLL_S)  # the broker is away, or the group is being shared out anew: later again
            committed_s, is_new = CLOCK.mono(), False


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one of them from the command line."""
    parser = argparse.ArgumentParser(prog="python -m chaoslab.lab.kafka_clients")
    parser.add_argument("role", choices=("producer", "consumer"))
    parser.add_argument("--bootstrap", required=True, metavar="HOST:PORT")
    parser.add_argument("--topic", required=True)
    parser.add_argument("--group", default="notifications")
    parser.add_argument("--rate", type=float, default=50.0, metavar="HZ", help="messages a second")
    given = parser.parse_args(arguments)
    if given.role == "producer":
        produce(given.bootstrap, given.topic, given.rate)
    else:
        consume(given.bootstrap, given.topic, given.group)


if __name__ == "__main__":
    main()
