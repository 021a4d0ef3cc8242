"""`chaoslab import`: what programs and toxics of others become, and what is said of those that cannot be ours."""

import importlib
import inspect
import json
import sys
from pathlib import Path

import pytest
import yaml

sys.path.append(str(Path(__file__).parent / "support"))

from check_files import WELL, later, process, python

from chaoslab.core.proposal.propose import propose
from chaoslab.core.spec import parse_spec


def of_steps(*method, **parts):
    data = {"title": "t", "description": "d", "steady-state-hypothesis": WELL, "method": list(method), **parts}
    text = json.dumps(data)
    return propose(text, parse_spec(text, "theirs.json"))


def fault_of(line):
    """Return our fault for a line that a shell reads: its name, its arguments but the time-to-live, the step."""
    path, _, rest = line.partition(" ")
    proposal = of_steps(process(path, rest))
    assert proposal.replaced, proposal.kept
    step = yaml.safe_load(proposal.text)["method"][0]
    provider = step["provider"]
    function = getattr(importlib.import_module(provider["module"]), provider["func"])
    inspect.signature(function).bind(**provider["arguments"])
    name = f"{provider['module']}.{provider['func']}".removeprefix("chaoslab.")
    return name, {key: value for key, value in provider["arguments"].items() if key != "ttl"}, step


SHAPED = {"interface": "eth0"}
BLOCKED = {"port": "5432", "direction": "out", "how": "drop"}


@pytest.mark.parametrize(
    ("line", "function", "arguments"),
    [
        (
            "tc qdisc add dev eth0 root netem delay 0.2s 20ms 25% distribution normal",
            "network.shaping.delay",
            {**SHAPED, "latency": "200ms", "jitter": "20ms", "correlation": "25%", "distribution": "normal"},
        ),
        (
            "tc qdisc replace dev eth0 root handle 1: netem loss random 5%",
            "network.shaping.lose",
            {**SHAPED, "share": "5%"},
        ),
        ("tc qdisc add dev eth0 root netem duplicate 1%", "network.shaping.duplicate", {**SHAPED, "share": "1%"}),
        ("tc qdisc add dev eth0 root netem corrupt 0.1%", "network.shaping.corrupt", {**SHAPED, "share": "0.1%"}),
        (
            "tc qdisc add dev eth0 root netem delay 10ms reorder 25% 50% gap 5",
            "network.shaping.reorder",
            {**SHAPED, "share": "25%", "correlation": "50%", "latency": "10ms", "gap": 5},
        ),
        (
            "sudo tc qdisc add dev eth0 root tbf rate 1mbit burst 32kbit latency 400ms",
            "network.shaping.limit_rate",
            {**SHAPED, "rate": "125kB"},
        ),
        (
            "ip netns exec red tc qdisc add dev veth0 root netem rate 512kbit",
            "network.shaping.limit_rate",
            {"interface": "veth0", "rate": "64kB", "netns": "red"},
        ),
        (
            "nsenter -t 4711 -n tc qdisc add dev eth0 root netem loss 5%",
            "network.shaping.lose",
            {**SHAPED, "share": "5%", "pid": 4711},
        ),
        (
            "docker exec -u root web tc qdisc add dev eth0 root netem delay 100ms",
            "docker.network.delay",
            {"container": "web", "latency": "100ms"},
        ),
        (
            "docker exec appointment-service iptables -A OUTPUT -p tcp --dport 5432 -j DROP",
            "docker.network.block_port",
            {"container": "appointment-service", **BLOCKED},
        ),
        (
            "docker compose exec -T web sh -c 'iptables -I OUTPUT 1 -p tcp -m tcp --dport 5432 -j DROP'",
            "docker.network.block_port",
            {"compose": "web", **BLOCKED},
        ),
        (
            "iptables -w -I INPUT -p udp --dport 53 -s 10.0.0.0/8 -j REJECT --reject-with icmp-port-unreachable",
            "network.firewall.block_port",
            {"port": "53", "direction": "in", "how": "reject", "protocol": "udp", "peers": "10.0.0.0/8"},
        ),
        (
            "iptables -A OUTPUT -p tcp -m multiport --dports 80,8000:8010 -m owner --uid-owner web -j DROP",
            "network.firewall.block_port",
            {"port": "80,8000-8010", "direction": "out", "how": "drop", "user": "web"},
        ),
        (
            "iptables -A OUTPUT -d 10.0.3.7 -j DROP",
            "network.firewall.partition",
            {"left": "here", "right": "10.0.3.7", "one_way": "yes"},
        ),
        ("nft add rule inet filter output tcp dport 5432 counter drop", "network.firewall.block_port", BLOCKED),
        (
            "nft insert rule ip filter INPUT ip saddr 10.0.0.9 udp dport { 53, 853 } reject",
            "network.firewall.block_port",
            {"port": "53,853", "direction": "in", "how": "reject", "protocol": "udp", "peers": "10.0.0.9"},
        ),
        ("kill -s KILL 4711", "process.actions.kill", {"pid": 4711, "signal": "SIGKILL"}),
        ("kill -9 $(cat run/web.pid)", "process.actions.kill", {"pid_file": "run/web.pid", "signal": "SIGKILL"}),
        ("kill -STOP $(pgrep -o redis-server)", "process.actions.pause", {"name": "redis-server"}),
        (
            "pkill -9 -f 'java -jar shop.jar'",
            "process.actions.kill",
            {"command": "java -jar shop.jar", "signal": "SIGKILL"},
        ),
        ("pkill --echo -HUP -F web.pid", "process.actions.kill", {"pid_file": "web.pid", "signal": "SIGHUP"}),
        ("docker exec web kill -9 1", "docker.actions.kill", {"container": "web", "signal": "SIGKILL"}),
        ("systemctl stop nginx.service", "process.actions.pause", {"unit": "nginx.service"}),
        ("systemctl kill -s SIGKILL nginx", "process.actions.kill", {"unit": "nginx", "signal": "SIGKILL"}),
        ("systemctl --user restart web", "process.supervised.restart", {"unit": "user:web", "signal": "SIGTERM"}),
        ("service nginx restart", "process.supervised.restart", {"unit": "nginx", "signal": "SIGTERM"}),
        ("podman pause web", "docker.actions.pause", {"container": "web"}),
        ("docker stop -t 3 web", "docker.actions.stop", {"container": "web", "grace": "3s"}),
        ("docker kill --signal=TERM web", "docker.actions.kill", {"container": "web", "signal": "SIGTERM"}),
        ("docker-compose -f x.yml stop db", "docker.actions.stop", {"compose": "db"}),
        ("docker network disconnect -f shop web", "docker.joining.disconnect", {"container": "web", "network": "shop"}),
        (
            "docker update --cpus 0.5 --memory 256m web",
            "docker.limits.limit",
            {"container": "web", "cpus": "0.5", "memory": "256MiB"},
        ),
        (
            "toxiproxy-cli toxic add -t latency -a latency=1000 -a jitter=50 -u db",
            "network.actions.delay_tcp",
            {"proxy": "${proxy}", "latency": "1000ms", "jitter": "50ms", "direction": "upstream"},
        ),
        ("toxiproxy-cli toggle db", "network.actions.reset_tcp", {"proxy": "${proxy}"}),
        ("stress-ng --cpu 2 --cpu-load 80 --timeout 60s", "resource.cpu.load", {"share": "80%", "cores": 2}),
        ("fallocate -l 2G /var/lib/shop/filler", "resource.disk.fill", {"folder": "/var/lib/shop", "size": "2GiB"}),
    ],
)
def test_programs_become_our_faults(line, function, arguments):
    assert fault_of(line)[:2] == (function, arguments)


def test_what_waits_and_undoes_in_the_same_line_becomes_a_pause():
    line = "tc qdisc add dev eth0 root netem delay 1s; sleep 45; tc qdisc del dev eth0 root"
    function, _, step = fault_of(line)
    assert function == "network.shaping.delay"
    assert step["pauses"] == {"after": 45.0}
    assert step["provider"]["arguments"]["ttl"] == "2m"
    assert fault_of("stress-ng --cpu 1 --timeout 2m")[2]["pauses"] == {"after": 120.0}


def test_a_background_step_and_its_tolerance_are_not_kept():
    step = {**process("docker", "pause web"), "background": True}
    assert "background" not in yaml.safe_load(of_steps(step).text)["method"][0]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("tc qdisc add dev eth0 root netem delay 200ms loss 5%", "several disturbances at once"),
        ("tc qdisc add dev eth0 parent 1:1 netem delay 200ms", "at the root"),
        ("tc qdisc add dev eth0 root netem slot 1ms 2ms", "`slot` has no like"),
        ("tc qdisc add dev eth0 root netem loss gemodel 1% 10%", "by hand"),
        ("docker exec web tc qdisc add dev eth0 root netem loss 5%", "take `network.shaping.lose` with its `pid`"),
        ("iptables -A FORWARD -p tcp --dport 80 -j DROP", "not in FORWARD"),
        ("iptables -A OUTPUT -m statistic --mode random --probability 0.1 -j DROP", "`-m statistic` has no like"),
        ("iptables -A OUTPUT -j DROP", "name one"),
        ("iptables -A OUTPUT ! -d 10.0.0.1 -j DROP", "has no like"),
        ("nft -f rules.nft", "nobody has read"),
        ("nft add rule inet t mychain tcp dport 80 drop", "its name does not say"),
        ("ssh db-1 sudo systemctl stop postgresql", "another machine or in a pod"),
        ("kubectl exec web-0 -- kill 1", "another machine or in a pod"),
        ("docker exec web pkill nginx", "a process inside a container"),
        ("docker rm -f web", "of one container, have their like"),
        ("kill $PID", "only a shell knows"),
        ("systemctl stop a b", "one unit"),
        ("toxiproxy-cli toxic add -t slicer -a average_size=64 db", "no `slicer`"),
        ("toxiproxy-cli toxic add -t latency --tox 0 -a latency=9 db", "its toxicity of 0.0 is no share"),
        ("docker pause web && docker pause db", "a step of its own"),
        ("docker pause web; ./note.sh", "a step of its own"),
        ("stress-ng --vm 2 --vm-bytes 1G --timeout 60", "take `resource.memory`"),
    ],
)
def test_what_cannot_be_ours_says_why(line, why):
    path, _, rest = line.partition(" ")
    proposal = of_steps(process(path, rest))
    assert not proposal.replaced
    assert why in proposal.kept[0]


def test_toxics_by_http_and_by_the_general_action():
    toxic = {"type": "latency", "stream": "upstream", "attributes": {"latency": 300}}
    provider = {"type": "http", "method": "POST", "url": "http://toxiproxy:8474/proxies/db/toxics", "timeout": 1}
    by_http = later({"name": "slow", "type": "action", "provider": {**provider, "arguments": toxic}})
    by_python = later(
        python("chaostoxi.toxic.actions.create_toxic", for_proxy="db", toxic_type="bandwidth", attributes={"rate": 64})
    )
    assert of_steps(by_http).replaced == ("slow: POST request -> chaoslab.network.actions.delay_tcp",)
    assert of_steps(by_python).replaced[0].endswith("-> chaoslab.network.actions.throttle_tcp")
    some = python("chaostoxi.toxic.actions.create_latency_toxic", for_proxy="db", latency=5, toxicity=0.2)
    assert "share: 20%" in of_steps(some).text
    none = python("chaostoxi.toxic.actions.create_latency_toxic", for_proxy="db", latency=5, toxicity=0)
    assert "its toxicity of 0 is no share above 0" in of_steps(none).kept[0]


def test_what_a_kept_step_would_need():
    drain = later(python("chaosk8s.node.actions.drain_nodes", name="node-1"))
    told = of_steps(drain).kept[0]
    assert "(we have no faults of Kubernetes yet), undone by nothing; it needs as its undo uncordon_node" in told
    assert "with the same name, label_selector, and a time-to-live such as 1m" in told
    uncordon = python("chaosk8s.node.actions.uncordon_node", "back", name="node-1")
    assert "undone by the rollbacks of the file" in of_steps(drain, rollbacks=[uncordon]).kept[0]
    pods = later(python("chaosk8s.pod.actions.terminate_pods", label_selector="app=x"))
    assert of_steps(pods).kept[0].endswith("(we have no faults of Kubernetes yet), which is over by itself")
    assert (
        of_steps(process("helm", "uninstall shop"))
        .kept[0]
        .endswith("it needs as its undo deploy it again, and a time-to-live such as 1m")
    )
