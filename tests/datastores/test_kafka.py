"""A real broker with a producer and a consumer: what the probes say of it."""

import os
import signal
from pathlib import Path

import pytest
from postgres_pair import wait_for

from chaoslab.core.errors import BadUsage, ChaoslabError
from chaoslab.kafka.broker import KafkaFailed, group_lag, topic_state
from chaoslab.kafka.probes import caught_up, keeps_up, lag, lag_grew, topic_healthy
from chaoslab.lab.home import LabFailed
from chaoslab.lab.kafka import GROUP, TOPIC, KafkaBroker, fetched_jars
from chaoslab.lab.pidfile import read_pid
from chaoslab.runtime.session import Session, has_session


@pytest.fixture(scope="session")
def kafka(lab):
    """The lab's broker."""
    return KafkaBroker(Path(lab["home"]) / "kafka")


@pytest.fixture
def session(tmp_path):
    made = Session("kafka", tmp_path / "run", state=tmp_path / "state")
    made.start({"id": "kafka"})
    yield made
    if has_session():
        made.close("completed")


def test_a_consumer_that_is_well_is_hardly_behind_and_its_topic_is_well(kafka, session):
    wait_for(lambda: keeps_up(kafka.bootstrap, GROUP, TOPIC, at_most=100), "it keeps up")
    found = lag(kafka.bootstrap, GROUP, TOPIC)
    assert found["total"] == sum(found[str(number)] for number in range(3))
    assert topic_healthy(kafka.bootstrap, TOPIC)
    assert topic_state(kafka.bootstrap, TOPIC) == {0: "", 1: "", 2: ""}


def test_a_process_that_reads_nothing_makes_no_lag(kafka, tmp_path, session):
    """The twin: the process that is paused is not the consumer."""
    with pytest.raises(ChaoslabError, match="wanted 100000 messages at least"):
        lag_grew(kafka.bootstrap, GROUP, TOPIC, at_least=100_000, within="1s")


def test_a_consumer_that_does_not_go_on_never_catches_up(kafka, session):
    consumer = read_pid(Path(kafka.description()["consumer_pid_file"]))
    os.kill(consumer.pid, signal.SIGSTOP)
    try:
        assert lag_grew(kafka.bootstrap, GROUP, TOPIC, at_least=150)
        with pytest.raises(ChaoslabError, match="wanted 10 messages at most within 1s; it is"):
            caught_up(kafka.bootstrap, GROUP, TOPIC, at_most=10, within="1s")
    finally:
        os.kill(consumer.pid, signal.SIGCONT)
    assert caught_up(kafka.bootstrap, GROUP, TOPIC, at_most=100)


def test_what_is_not_there_is_told_in_one_line(kafka, session):
    with pytest.raises(KafkaFailed, match="has no topic nothing"):
        topic_healthy(kafka.bootstrap, "nothing")
    with pytest.raises(KafkaFailed, match=r"Kafka at 127\.0\.0\.1:1: "):
        group_lag("127.0.0.1:1", GROUP, TOPIC, timeout_s=0.5)
    with pytest.raises(BadUsage, match="HOST:PORT"):
        topic_state("", TOPIC)
    with pytest.raises(BadUsage, match="1 or more"):
        lag_grew(kafka.bootstrap, GROUP, TOPIC, at_least=0)


def test_a_group_that_nobody_knows_is_behind_by_all_there_is(kafka, session):
    assert sum(group_lag(kafka.bootstrap, "strangers", TOPIC).values()) > 0


def test_why_maven_does_not_bring_the_broker_is_told(tmp_path, monkeypatch):
    """It is told with Maven's first word of it; the last ones say how to ask for more."""
    settings = tmp_path / "chaoslab" / ".mvn"
    settings.mkdir(parents=True)
    (settings / "maven.config").write_text(f"--offline\n-Dmaven.repo.local={tmp_path}/empty\n")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(LabFailed, match=r"Maven does not bring Kafka \S+: \w+ \w+ \w+"):
        fetched_jars()
    assert list(settings.parent.iterdir()) == [settings]
