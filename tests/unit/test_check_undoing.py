"""`chaoslab check`: what stays behind, and rollbacks that cannot work; each beside its twin in which all is well."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent / "support"))

from check_files import codes, findings, later, process, python, told

from chaoslab.core.checks.known import known_command

CORDON = later(python("chaosk8s.node.actions.cordon_node", name="node-1"))
UNCORDON = python("chaosk8s.node.actions.uncordon_node", "back", name="node-1")
SCALE = later(python("chaosk8s.deployment.actions.scale_deployment", "down", name="api", ns="shop", replicas=0))
UNSCALE = python("chaosk8s.deployment.actions.scale_deployment", "up", name="api", ns="shop", replicas=3)
TOXIC = python("chaostoxi.toxic.actions.create_latency_toxic", for_proxy="db", toxic_name="slow", latency=200)
UNTOXIC = python("chaostoxi.toxic.actions.delete_toxic", for_proxy="db", toxic_name="slow")
UNPROXY = python("chaostoxi.proxy.actions.delete_proxy", proxy_name="db")
THEIRS = python("theirs.actions.act")
NETEM = process("tc", ("qdisc", "add", "dev", "eth0", "root", "netem", "delay", "200ms"))
UNNETEM = process("tc", ("qdisc", "del", "dev", "eth0", "root"))


@pytest.mark.parametrize(
    ("fault", "undo"),
    [(CORDON, UNCORDON), (SCALE, UNSCALE), (TOXIC, UNTOXIC), (TOXIC, UNPROXY), (NETEM, UNNETEM)],
)
def test_a_fault_that_lasts_needs_what_undoes_it(fault, undo):
    assert "no-rollback" in codes(method=[fault])
    assert told("no-rollback", method=[fault])[0].startswith("error: ")
    assert codes(method=[fault], rollbacks=[undo]) & {"no-rollback", "undo-of-another", "undo-only-in-method"} == set()


def test_the_remedy_names_what_undoes_it():
    assert "undo it in `rollbacks`: uncordon_node" in told("no-rollback", method=[CORDON])[0]
    assert "undo it in `rollbacks`: tc qdisc del" in told("no-rollback", method=[NETEM])[0]


def test_the_same_once_more_undoes_nothing():
    found = codes(method=[SCALE], rollbacks=[SCALE])
    assert {"no-rollback", "rollback-repeats-fault"} <= found
    assert "rollback-repeats-fault" in codes(method=[THEIRS], rollbacks=[{**THEIRS, "name": "again"}])
    assert "rollback-repeats-fault" in codes(method=[CORDON], rollbacks=[{"ref": "cordon_node"}])
    assert "rollback-repeats-fault" not in codes(method=[THEIRS], rollbacks=[python("theirs.actions.undo")])


def test_an_action_that_nobody_knows_is_a_warning_and_an_empty_list_is_an_answer():
    assert told("no-rollback", method=[THEIRS])[0].startswith("warning: ")
    assert told("no-rollback", method=[THEIRS], rollbacks=[])[0].startswith("note: ")
    assert len(told("no-rollback", method=[THEIRS, {**THEIRS, "name": "again"}])) == 1
    assert "no-rollback" not in codes(method=[CORDON], rollbacks=[python("theirs.actions.undo")])


@pytest.mark.parametrize(
    "harmless",
    [
        {**THEIRS, "type": "probe"},
        python("chaoslab.process.actions.pause"),
        later(python("chaosk8s.pod.actions.terminate_pods", label_selector="app=x")),
        process("sleep", ("5",)),
        process("kubectl", ("get", "pods")),
        process("vegeta", ("attack",)),
        {**python("x.y"), "provider": {"type": "http", "url": "http://x", "timeout": 1}},
    ],
)
def test_what_leaves_nothing_behind_needs_no_rollback(harmless):
    assert "no-rollback" not in codes(method=[harmless])


def test_what_is_gone_for_good_is_said():
    delete = later(python("chaosaws.ec2.actions.terminate_instances", instance_ids=["i-1"]))
    assert "irreversible" in codes(method=[delete])
    gone = process("rm", ("data.db",))
    assert "irreversible" in codes(method=[gone])
    assert "irreversible" not in codes(method=[gone], rollbacks=[process("cp", ("copy.db", "data.db"))])


def test_an_undo_in_the_method_alone_is_not_enough():
    assert "undo-only-in-method" in codes(method=[CORDON, UNCORDON])
    assert "undo-only-in-method" not in codes(method=[CORDON, UNCORDON], rollbacks=[UNCORDON])


def test_an_undo_of_something_else():
    other = python("chaosk8s.node.actions.uncordon_node", "back", name="node-2")
    assert (
        "undoes name node-2, and cordon_node acts on name node-1"
        in told("undo-of-another", method=[CORDON], rollbacks=[other])[0]
    )
    assert "undo-of-another" not in codes(method=[CORDON], rollbacks=[other, UNCORDON])


def test_an_undo_in_another_namespace_and_one_that_only_the_run_knows():
    elsewhere = python("chaosk8s.deployment.actions.scale_deployment", "up", name="api", replicas=3)
    assert "undo-of-another" in codes(method=[SCALE], rollbacks=[elsewhere])
    named = python("chaosk8s.deployment.actions.scale_deployment", "up", name="api", ns="${ns}", replicas=3)
    given = {"ns": {"type": "env", "key": "NS"}}
    assert "undo-of-another" not in codes(configuration=given, method=[SCALE], rollbacks=[named])
    assert "undo-of-another" not in codes(configuration={"ns": "shop"}, method=[SCALE], rollbacks=[named])
    assert "undo-of-another" in codes(configuration={"ns": "other"}, method=[SCALE], rollbacks=[named])


def test_rollbacks_that_take_away_what_a_later_one_needs():
    assert "rollback-order" in codes(method=[TOXIC], rollbacks=[UNPROXY, UNTOXIC])
    assert "rollback-order" not in codes(method=[TOXIC], rollbacks=[UNTOXIC, UNPROXY])


@pytest.mark.parametrize(("strategy", "severity"), [("never", "error"), ("deviated", "warning")])
def test_rollbacks_that_are_not_played(strategy, severity):
    runtime = {"rollbacks": {"strategy": strategy}}
    assert told("rollbacks-off", method=[CORDON], rollbacks=[UNCORDON], runtime=runtime)[0].startswith(severity)
    assert "rollbacks-off" not in codes(method=[], rollbacks=[], runtime=runtime)


def test_the_default_strategy_is_worth_a_note():
    always = {"rollbacks": {"strategy": "always"}}
    assert "rollbacks-not-always" in codes(method=[CORDON], rollbacks=[UNCORDON])
    assert "rollbacks-not-always" not in codes(method=[CORDON], rollbacks=[UNCORDON], runtime=always)


def test_a_rollback_that_needs_the_output_of_a_step():
    start = python("theirs.actions.begin", "started")
    stop = python("theirs.actions.stop", id="${started}")
    assert "rollback-needs-output" in codes(method=[start], rollbacks=[stop])
    assert "output-reference" in codes(method=[start, {**stop, "name": "next"}])
    assert (
        codes(configuration={"id": 1}, method=[], rollbacks=[python("a.b", id="${id}")])
        & {
            "rollback-needs-output",
            "output-reference",
        }
        == set()
    )


def test_a_finding_stands_where_it_can_be_mended():
    found = next(
        f
        for f in findings(
            method=[CORDON],
            rollbacks=[{**UNCORDON, "provider": {**UNCORDON["provider"], "arguments": {"name": "node-2"}}}],
        )
        if f.code == "undo-of-another"
    )
    assert found.place == "rollbacks[back].provider.arguments"
    assert found.line > 1


@pytest.mark.parametrize(
    ("line", "effect"),
    [
        ("docker stop logs-collector", "lasting"),
        ("docker exec info-service iptables -I OUTPUT 1 -p tcp --dport 5432 -j DROP", "lasting"),
        ("docker exec web ls", "look"),
        ("docker --context far ps", "look"),
        ("docker compose -f x.yml stop web", "lasting"),
        ("podman pause web", "lasting"),
        ("kubectl delete deployment config-server", "gone"),
        ("kubectl --context prod -n shop get pods", "look"),
        ("kubectl exec -n shop db-0 -- rm -rf /data", "gone"),
        ("echo hi; iptables -A OUTPUT -j DROP", "lasting"),
        ("kubectl get pods && kubectl drain node-1", "lasting"),
        ("sh -c 'sleep 1; systemctl stop nginx'", "lasting"),
        ("tc qdisc add dev eth0 root netem delay 1s; sleep 9; tc qdisc del dev eth0 root", "bounded"),
        ("tc qdisc del dev eth0 root; tc qdisc add dev eth0 root netem delay 1s", "lasting"),
        ("sudo iptables -D OUTPUT -j DROP || true", "undo"),
        ("blade create network delay --time 3000 --timeout 60", "bounded"),
        ("chmod 000 /data/orders.db", "lasting"),
        ("chmod -R u+x ./scripts", None),
        ("python3 act.py && echo done", None),
        ("kubectl " + "--a " * 200 + "frobnicate", None),
    ],
)
def test_the_worst_of_a_command_line_counts(line, effect):
    known = known_command(line)
    assert (known.effect if known else None) == effect


def test_an_undo_may_be_of_another_kind():
    assert "no-rollback" not in codes(method=[CORDON], rollbacks=[process("kubectl", ("uncordon", "node-1"))])
    assert "no-rollback" not in codes(method=[later(process("kubectl", ("cordon", "node-1")))], rollbacks=[UNCORDON])
    assert "no-rollback" in codes(method=[CORDON], rollbacks=[process("kubectl", ("get", "nodes"))])


def test_faults_by_http_are_known():
    def post(path, method="POST"):
        provider = {"type": "http", "url": f"http://shop:8080{path}", "method": method, "timeout": 1}
        return {"name": path, "type": "action", "provider": provider}

    toxic, untoxic = post("/proxies/db/toxics"), post("/proxies/db/toxics/slow", "DELETE")
    monkey, off = post("/actuator/chaosmonkey/enable"), post("/actuator/chaosmonkey/disable")
    assert told("no-rollback", method=[toxic])[0].startswith("error: ")
    assert "no-rollback" not in codes(method=[toxic], rollbacks=[untoxic])
    assert "no-rollback" in codes(method=[monkey], rollbacks=[untoxic])
    assert "no-rollback" not in codes(method=[monkey], rollbacks=[off])
    assert "no-rollback" not in codes(method=[monkey], rollbacks=[python("chaosspring.actions.disable_chaosmonkey")])
