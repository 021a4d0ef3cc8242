"""`chaoslab import`: our form of files of others; what stays, what is replaced, what is left to a person."""

import json
import sys
from pathlib import Path

import pytest
import yaml

sys.path.append(str(Path(__file__).parent / "support"))

from check_files import LOOK, WELL, process, python

from chaoslab.cli.main import main
from chaoslab.core.checks.check import check_text
from chaoslab.core.proposal.propose import propose
from chaoslab.core.spec import parse_spec

FOREIGN = """\
# Who wrote this, and why.
version: 1.0.0
title: The database is slow
description: >-
  Every answer of the database is late.

# Where things are.
configuration:
  service: http://service:8080   # ours

steady-state-hypothesis:
  title: the service answers
  probes:
    - name: it answers
      type: probe
      tolerance: 200
      provider: {type: http, url: "${service}/health", timeout: 2}

method:
  # First the fault.
  - name: slow-database
    type: action
    provider:
      type: python
      module: chaostoxi.toxic.actions
      func: create_latency_toxic
      arguments: {for_proxy: db, toxic_name: slow, latency: 200}
    pauses: {after: 45}
  - name: ask-somebody
    type: action
    provider: {type: python, module: theirs.asking, func: ask}

rollbacks:
  # Then away with it.
  - name: quick-database
    type: action
    provider:
      type: python
      module: chaostoxi.toxic.actions
      func: delete_toxic
      arguments: {for_proxy: db, toxic_name: slow}
"""


def proposal_of(text, file="theirs.yaml"):
    return propose(text, parse_spec(text, file))


def of_steps(*method, **parts):
    data = {"title": "t", "description": "d", "steady-state-hypothesis": WELL, "method": list(method), **parts}
    return proposal_of(json.dumps(data), "theirs.json")


def test_a_whole_file_becomes_ours():
    proposal = proposal_of(FOREIGN)
    spec = parse_spec(proposal.text, "ours.yaml")
    assert not spec.foreign
    assert (spec.kind, spec.domain) == ("experiment", "network")
    assert [objective.name for objective in spec.objectives] == ["recovery", "availability", "latency_p99"]
    assert spec.extension.probers[0].url == "${service}/health"
    assert spec.extension.probers[0].timeout == 2.0
    assert [step["name"] for step in spec.document["method"]] == [
        "slow-database",
        "ask-somebody",
        "undo-delay-tcp",
        "service-recovers",
    ]
    fault = spec.document["method"][0]
    assert fault["provider"]["arguments"] == {"proxy": "${proxy}", "latency": "200ms", "ttl": "2m"}
    assert fault["pauses"] == {"after": 45}
    assert spec.document["configuration"]["proxy"] == "lab:proxy.control"
    assert spec.document["rollbacks"] == []
    assert not [found for found in check_text(proposal.text, "ours.yaml").findings if found.severity == "error"]


def test_the_same_question_is_asked_once():
    judged = {"type": "jsonpath", "path": "$.state", "expect": ["ok"], "target": "body"}
    other = {**LOOK, "name": "elsewhere", "provider": {**LOOK["provider"], "url": "http://service/other"}}
    probes = [LOOK, {**LOOK, "name": "says-ok", "tolerance": judged}, other]
    proposal = of_steps(process("sh", ("-c", "true")), **{"steady-state-hypothesis": {"title": "h", "probes": probes}})
    spec = parse_spec(proposal.text, "ours.yaml")
    assert [prober.name for prober in spec.extension.probers] == ["it-answers", "elsewhere"]


def test_comments_and_order_stay():
    text = proposal_of(FOREIGN).text
    for comment in ("# Who wrote this, and why.", "# Where things are.", "# ours", "# First the fault."):
        assert comment in text
    keys = [line.partition(":")[0] for line in text.splitlines() if line[:1].isalpha()]
    assert keys[:3] == ["version", "title", "description"]
    assert keys.index("extensions") < keys.index("controls") < keys.index("configuration") < keys.index("method")


def test_what_a_person_must_decide_is_marked():
    proposal = proposal_of(FOREIGN)
    lines = proposal.text.splitlines()
    assert len(proposal.decisions) >= 4
    assert all("# DECIDE: " in lines[number - 1] for number, _ in proposal.decisions)
    assert proposal.replaced == (
        "slow-database: chaostoxi.toxic.actions.create_latency_toxic -> chaoslab.network.actions.delay_tcp",
    )
    assert proposal.kept[0].startswith(
        "ask-somebody: theirs.asking.ask, undone by nothing; what it changes is not known"
    )


@pytest.mark.parametrize(
    ("step", "function", "arguments"),
    [
        (process("kill", ("-9", "4711")), "process.actions.kill", {"pid": 4711, "signal": "SIGKILL"}),
        (process("kill", ("4711",)), "process.actions.kill", {"pid": 4711, "signal": "SIGTERM"}),
        (process("/usr/bin/pkill", ("-STOP", "redis-server")), "process.actions.pause", {"name": "redis-server"}),
        (process("docker", "pause web-1"), "docker.actions.pause", {"container": "web-1"}),
        (process("sudo", ("docker", "kill", "web-1")), "docker.actions.kill", {"container": "web-1"}),
        (
            process("tc", ("qdisc", "add", "dev", "eth0", "root", "netem", "delay", "200ms", "20ms")),
            "network.shaping.delay",
            {"interface": "eth0", "latency": "200ms", "jitter": "20ms"},
        ),
        (
            process("tc", "qdisc add dev eth0 root netem loss 5%"),
            "network.shaping.lose",
            {"interface": "eth0", "share": "5%"},
        ),
        (
            process("iptables", "-A OUTPUT -p tcp --dport 5432 -j DROP"),
            "network.firewall.block_port",
            {"port": "5432", "direction": "out", "how": "drop"},
        ),
        (python("chaostoxi.proxy.actions.disable_proxy", proxy_name="db"), "network.actions.reset_tcp", {}),
        (
            python("chaostoxi.toxic.actions.create_bandwith_degradation_toxic", rate=64),
            "network.actions.throttle_tcp",
            {"rate": "64KiB"},
        ),
    ],
)
def test_known_steps_become_our_faults(step, function, arguments):
    spec = parse_spec(of_steps(step).text, "ours.yaml")
    provider = spec.document["method"][0]["provider"]
    assert f"{provider['module']}.{provider['func']}" == f"chaoslab.{function}"
    given = {key: value for key, value in provider["arguments"].items() if key not in ("proxy", "ttl")}
    assert given == arguments


@pytest.mark.parametrize(
    "step",
    [
        process("kill", ("$(cat a.pid | tail -n1)",)),
        process("bash", ("-c", "kill -9 1 && ./more")),
        process("tc", "qdisc add dev eth0 root netem delay 200ms loss 5%"),
        process("docker", "pause a b"),
        python("chaostoxi.toxic.actions.create_latency_toxic", latency="${late}"),
        python("chaosk8s.pod.actions.terminate_pods", label_selector="a=b"),
    ],
)
def test_what_we_cannot_say_alike_is_kept(step):
    proposal = of_steps(step, configuration={"late": 5})
    assert proposal.replaced == ()
    assert parse_spec(proposal.text, "ours.yaml").document["method"][0]["provider"] == step["provider"]


def test_the_arguments_fit_our_faults():
    """Every fault that a step becomes takes the arguments that it is given."""
    import importlib
    import inspect

    steps = [
        process("kill", ("-9", "4711")),
        process("docker", "stop web"),
        process("docker", "restart web"),
        process("tc", "qdisc add dev eth0 root netem delay 200ms"),
        process("tc", "qdisc add dev eth0 root netem loss 5%"),
        process("iptables", "-I INPUT -p tcp --dport 80 -j REJECT"),
        python("chaostoxi.toxic.actions.create_latency_toxic", latency=5, jitter=1),
        python("chaostoxi.toxic.actions.create_timeout_toxic"),
        python("chaostoxi.toxic.actions.create_bandwith_degradation_toxic", rate=1),
        python("chaostoxi.proxy.actions.disable_proxy"),
    ]
    for step in steps:
        provider = yaml.safe_load(of_steps(step).text)["method"][0]["provider"]
        function = getattr(importlib.import_module(provider["module"]), provider["func"])
        inspect.signature(function).bind(**provider["arguments"])


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(
            {"title": "t", "description": "d", "method": [LOOK | {"name": "x"}], "steady-state-hypothesis": WELL}
        ),
        "{title: t, description: d, method: [], steady-state-hypothesis: {title: h, probes: []}}",
        FOREIGN.replace("method:\n", "controls: []\nextensions: []\nmethod:\n"),
        FOREIGN.replace("method:\n", "extensions:\n  - name: theirs\n    x: 1\nmethod:\n"),
        FOREIGN.replace("method:\n", "controls:\n- {name: t, provider: {type: python, module: theirs.c}}\nmethod:\n"),
        FOREIGN.replace(
            "configuration:\n  service: http://service:8080   # ours", "configuration: {service: http://s}"
        ),
        FOREIGN.replace("  - name: ask-somebody", "  - &ask\n    name: ask-somebody"),
        "\n".join(FOREIGN.splitlines()[:-9]) + "\n",
    ],
)
def test_whatever_the_form_the_proposal_is_one_of_ours(text):
    proposal = proposal_of(text, "theirs.json" if text.startswith('{"') else "theirs.yaml")
    data = yaml.safe_load(proposal.text)
    assert [extension["name"] for extension in data["extensions"]][-1] == "chaoslab"
    assert data["controls"][0]["name"] == "chaoslab"
    theirs = yaml.safe_load(text)
    assert data["steady-state-hypothesis"] == theirs["steady-state-hypothesis"]
    kept = [step["name"] for step in theirs["method"]]
    assert [step["name"] for step in data["method"]][: len(kept)] == kept


def test_the_command(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("theirs.yaml").write_text(FOREIGN)
    assert main(["import", "theirs.yaml", "--out", "ours.yaml"]) == 0
    told = capsys.readouterr().err
    assert "passes `chaoslab check`" in told
    assert "ours.yaml:" in told
    assert main(["check", "ours.yaml"]) == 0
    assert main(["import", "theirs.yaml", "--out", "ours.yaml"]) == 2
    assert main(["import", "theirs.yaml", "--out", "ours.yaml", "--force"]) == 0
    assert main(["import", "theirs.yaml", "--out", "theirs.yaml", "--force"]) == 2
    assert main(["import", "ours.yaml"]) == 2
    assert main(["import", "nowhere.yaml"]) == 2
    assert Path("theirs.yaml").read_text() == FOREIGN
    assert "Traceback" not in capsys.readouterr().err
