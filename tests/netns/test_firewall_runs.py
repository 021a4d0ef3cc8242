"""Blocked ports as a person runs them: what nobody uses is inconclusive, what another run holds is refused."""

import subprocess

import pytest
from cli_runs import file_of, run, start
from talking import Talking, until

from chaoslab.network.firewall import block_port, partition


@pytest.fixture(scope="module")
def talking():
    made = Talking()
    yield made
    made.stop()


def tables_of_the_host():
    return subprocess.run(["nft", "list", "tables"], check=True, capture_output=True, text=True, timeout=30).stdout


def test_a_port_that_somebody_uses_is_blocked_and_everything_is_as_before(talking, tmp_path):
    before = talking.rulesets()
    code, said = run(tmp_path, "run", file_of(tmp_path, block_port, port=5432, netns=talking.client.name))
    assert code == 0, said
    assert talking.rulesets() == before
    assert talking.echo() == "echo"


NOBODY = {
    "unused-port": (block_port, {"port": 6379}),
    "wrong-direction": (block_port, {"port": 5432, "direction": "in"}),
    "nobody-there": (partition, {"left": "here", "right": "10.203.1.99"}),
}


@pytest.fixture(scope="module")
def met_by_nobody(talking, tmp_path_factory):
    """Run all of them at a time, for each waits in vain for its effect; return what they said."""
    runs = {}
    for name, (action, arguments) in NOBODY.items():
        folder = tmp_path_factory.mktemp(name)
        runs[name] = start(folder, "run", file_of(folder, action, **arguments, netns=talking.client.name))
    said = {name: process.communicate(timeout=120) for name, process in runs.items()}
    return {name: (runs[name].returncode, "".join(said[name])) for name in runs}


@pytest.mark.parametrize("name", NOBODY)
def test_a_block_that_nobody_meets_is_inconclusive(talking, met_by_nobody, name):
    code, said = met_by_nobody[name]
    assert code == 11, said
    assert "did not bite" in said
    assert talking.rulesets() == ["", ""]


def test_the_rest_of_the_traffic_is_unaffected_while_it_stands(talking, tmp_path):
    file = file_of(tmp_path, block_port, seconds="60", port=5432, netns=talking.client.name)
    process = start(tmp_path, "run", file)
    try:
        until(lambda: "silence" in talking.echo(patience_s=0.2), "the port is blocked")
        others = [talking.echo(6379, kind=kind, patience_s=20.0) for _ in range(10) for kind in ("tcp", "udp")]
        assert others == ["echo"] * 20
        [table] = [word for word in talking.rulesets()[0].split() if word.startswith("chaoslab_")]
        assert table not in tables_of_the_host()
        code, said = run(tmp_path, "run", file)
        assert code == 12, said
        assert "stands already in network namespace" in said
    finally:
        process.terminate()
        _, said = process.communicate(timeout=60)
    assert process.returncode == 143, said
    assert talking.rulesets() == ["", ""]


def test_a_plan_names_the_place_and_touches_nothing(talking, tmp_path):
    code, said = run(tmp_path, "plan", file_of(tmp_path, block_port, port=5432, netns=talking.client.name))
    assert code == 0, said
    assert f"drop tcp port 5432 out in network namespace {talking.client.name}" in said
    assert talking.rulesets() == ["", ""]


@pytest.mark.parametrize(
    ("arguments", "code", "why"),
    [
        ({"port": 5432, "netns": "nowhere"}, 12, "there is no network namespace nowhere"),
        ({"port": "many"}, 2, "'many' is no port"),
        ({"port": "1-65535"}, 12, "nearly all that this machine says to itself"),
    ],
)
def test_what_cannot_be_blocked_is_refused_by_the_plan(tmp_path, arguments, code, why):
    got, said = run(tmp_path, "plan", file_of(tmp_path, block_port, **arguments))
    assert got == code, said
    assert why in said
    assert "Traceback" not in said
