"""Probes of a Kafka cluster: how far consumers are behind, and whether a topic is well."""

from __future__ import annotations

from chaoslab.core.errors import BadUsage, ChaoslabError
from chaoslab.kafka.broker import KafkaFailed, group_lag, topic_state
from chaoslab.runtime.arguments import seconds
from chaoslab.runtime.session import current
from chaoslab.runtime.steps import step

_POLL_S = 0.2


@step("verify")
def lag(bootstrap: str, group: str, topic: str) -> dict[str, int]:
    """Return how many messages a consumer group is behind, for each partition and in `total`.

    Args:
        bootstrap: `host:port` of a broker
        group: the consumer group
        topic: the topic that it reads

    Raises:
        KafkaFailed: nobody answers, or there is no such topic; one line.
    """
    lags = group_lag(bootstrap, group, topic)
    return {"total": sum(lags.values()), **{str(number): behind for number, behind in lags.items()}}


@step("verify")
def keeps_up(bootstrap: str, group: str, topic: str, at_most: int = 1000) -> bool:
    """Say whether a consumer group is hardly behind.

    Args:
        bootstrap: `host:port` of a broker
        group: the consumer group
        topic: the topic that it reads
        at_most: how many messages, in all partitions together, are few enough

    Raises:
        KafkaFailed: nobody answers, or there is no such topic; one line.
    """
    return sum(group_lag(bootstrap, group, topic).values()) <= at_most


@step("verify")
def lag_grew(bootstrap: str, group: str, topic: str, at_least: int = 1, within: str = "30s") -> bool:
    """Wait until a consumer group is far behind: proof that a fault of the consumer was felt.

    Args:
        bootstrap: `host:port` of a broker
        group: the consumer group
        topic: the topic that it reads
        at_least: how many messages are far
        within: how long to wait

    Raises:
        ChaoslabError: it did not fall behind so far: nobody writes, or others of the group went on.
    """
    if at_least < 1:
        raise BadUsage("at_least: must be 1 or more")
    return _await_lag(bootstrap, group, topic, within, low=at_least, figure="lag_peak")


@step("recover")
def caught_up(bootstrap: str, group: str, topic: str, at_most: int = 100, within: str = "60s") -> bool:
    """Wait until a consumer group has worked off what it was behind.

    Args:
        bootstrap: `host:port` of a broker
        group: the consumer group
        topic: the topic that it reads
        at_most: how many messages are few enough
        within: how long to wait

    Raises:
        ChaoslabError: it has not in time; says how far it is behind still.
    """
    return _await_lag(bootstrap, group, topic, within, high=at_most, figure="lag_left")


@step("verify")
def topic_healthy(bootstrap: str, topic: str) -> bool:
    """Say whether every partition of a topic has a leader, and all its replicas are in sync.

    Args:
        bootstrap: `host:port` of a broker
        topic: its name

    Raises:
        KafkaFailed: nobody answers, there is no such topic, or a partition is not well; one line.
    """
    partitions = topic_state(bootstrap, topic)
    if not partitions:
        raise KafkaFailed(f"{bootstrap} has no topic {topic}")
    trouble = [f"partition {number} {what}" for number, what in partitions.items() if what]
    if trouble:
        raise KafkaFailed(f"topic {topic}: {'; '.join(trouble)}")
    return True


def _await_lag(
    bootstrap: str, group: str, topic: str, within: str, *, figure: str, low: int = 0, high: int | None = None
) -> bool:
    """Wait until the lag lies between two bounds, and note it in the report.

    Raises:
        ChaoslabError: it does not come there in time.
    """
    session, within_s, told = current(), seconds("within", within), "it was never known"
    begin_s = session.now_s()
    while session.now_s() - begin_s < within_s:
        try:
            total = sum(group_lag(bootstrap, group, topic).values())
        except KafkaFailed as away:
            told = str(away)  # a broker that has just come back may still be sorting itself out
        else:
            if total >= low and (high is None or total <= high):
                session.figure(figure, total, "messages")
                return True
            told = f"it is {total} messages behind"
        session.sleep(_POLL_S)
    wanted = f"{high} messages at most" if high is not None else f"{low} messages at least"
    raise ChaoslabError(f"group {group} of {topic}: wanted {wanted} within {within}; {told}")
