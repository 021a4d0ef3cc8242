"""Which lane of the tests runs which experiment of the catalog to `passed`. Each has one lane, and one only."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXPERIMENTS = sorted(ROOT.glob("experiments/*/*.yaml"))
USUAL = "integration"
"""The lane of every file that is not named below: what it needs is in the lab as everybody starts it."""
ELSEWHERE = {
    "netem": (
        "network/network-latency",
        "network/packet-loss",
        "network/packet-loss-in-bursts",
        "network/packets-corrupted",
        "network/packets-duplicated",
        "network/packets-reordered",
    ),
    "netns": ("network/dns-fails", "network/dns-no-answer", "network/dns-slow", "network/dns-wrong-address"),
    "datastores": ("database/replica-paused", "kafka/broker-paused", "kafka/consumer-lag"),
    "resource": ("resource/clock-skew", "resource/disk-slow"),
    "docker": (
        "docker/container-cut-off",
        "docker/container-database-blocked",
        "docker/container-killed",
        "docker/container-paused",
        "docker/container-starved",
        "docker/container-volume-full",
    ),
}


def name_of(file):
    """Return what a file is called in the table: `network/packet-loss`."""
    return f"{file.parent.name}/{file.stem}"


def files_of(lane):
    """Return the experiments that a lane runs."""
    named = {name for names in ELSEWHERE.values() for name in names}
    if lane == USUAL:
        return [file for file in EXPERIMENTS if name_of(file) not in named]
    return [file for file in EXPERIMENTS if name_of(file) in ELSEWHERE[lane]]


def each_experiment_of(lane):
    """Run a test for each experiment of its lane; `tests/catalog` looks whether the lane has such a test."""

    def decorate(test):
        return pytest.mark.catalog(pytest.mark.parametrize("file", files_of(lane), ids=name_of)(test))

    return decorate
