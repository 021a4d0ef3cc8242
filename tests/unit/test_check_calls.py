"""`chaoslab check`: whom a step hits, how it is called, what it gives away and what fails in silence."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent / "support"))

from check_files import LOOK, codes, findings, judged, process, python, told

PODS = "chaosk8s.pod.actions.terminate_pods"


@pytest.mark.parametrize(
    ("function", "narrow"),
    [
        (PODS, {"label_selector": "app=x"}),
        (PODS, {"name_pattern": "api-[0-9]"}),
        ("chaosk8s.node.actions.drain_nodes", {"name": "node-1"}),
        ("chaosaws.ec2.actions.stop_instances", {"filters": [{"Name": "tag:a", "Values": ["b"]}]}),
        ("chaosazure.machine.actions.stop_machines", {"filter": "where name=='x'"}),
        ("chaosk8s.networking.actions.deny_all_ingress", {"label_selectors": {"app": "x"}}),
    ],
)
def test_what_hits_everything(function, narrow):
    assert "no-selector" in codes(method=[python(function)])
    for empty in (dict.fromkeys(narrow, ""), dict.fromkeys(narrow, "${none}")):
        assert "no-selector" in codes(configuration={"none": ""}, method=[python(function, **empty)])
    assert "no-selector" not in codes(method=[python(function, **narrow)])


def test_the_namespace_that_is_hit_is_named():
    assert "every pod of the namespace default" in told("no-selector", method=[python(PODS)])[0]
    assert "every pod of the namespace shop" in told("no-selector", method=[python(PODS, ns="shop", all=True)])[0]
    assert "default-namespace" in codes(method=[python(PODS, label_selector="a=b")])
    assert "default-namespace" not in codes(method=[python(PODS, label_selector="a=b", ns="shop")])


def test_what_does_nothing():
    run = "chaosk8s.pod.actions.exec_in_pods"
    assert "does-nothing" in codes(method=[python(run, label_selector="a=b", cmd="x")])
    assert "does-nothing" not in codes(method=[python(run, label_selector="a=b", cmd="x", container_name="c")])
    assert "does-nothing" in codes(method=[python(PODS, label_selector="a=b", qty=0)])
    assert "silent-when-empty" in codes(method=[python(PODS, label_selector="a=b")])
    assert "silent-when-empty" not in codes(method=[python("theirs.actions.act")])


def test_shares_that_are_none():
    assert "bad-amount" in codes(method=[python(PODS, label_selector="a=b", mode="percentage", qty=150)])
    assert "bad-amount" not in codes(method=[python(PODS, label_selector="a=b", qty=150)])
    assert "bad-amount" in codes(method=[python("chaostoxi.toxic.actions.create_toxic", toxicity=50)])


@pytest.mark.parametrize(
    "parts",
    [
        {"configuration": {"db_password": "hunter2"}},
        {"configuration": {"p": {"type": "env", "key": "P", "default": "AKIAABCDEFGHIJKLMNOP"}}},
        {"configuration": {"api_key": {"type": "env", "key": "P", "default": "hunter2"}}},
        {"configuration": {"dsn": "postgresql://me:hunter2@db/shop"}},
        {"secrets": {"group": {"token": "hunter2"}}},
        {"method": [process("login", ("--password", "hunter2"))]},
        {"method": [process("login", ("--password=hunter2",))]},
        {"method": [python("a.b", headers={"Authorization": "Bearer abcdefghijklmnop123"})]},
    ],
)
def test_secrets_in_clear_are_found_and_not_told(parts):
    found = [finding for finding in findings(**parts) if finding.code == "secret-in-clear"]
    assert len(found) == 1
    assert "hunter2" not in str(found[0])
    assert "AKIA" not in str(found[0])


@pytest.mark.parametrize(
    "parts",
    [
        {"configuration": {"db_password": {"type": "env", "key": "DB_PASSWORD"}}},
        {"configuration": {"db_password": "${other}", "other": 1}},
        {"configuration": {"db_password": "<your password>", "token": "", "secret": "***", "api_key": "YOUR_KEY"}},
        {"configuration": {"password_file": "/run/secrets/db", "token": "/run/secrets/token", "secret_name": "db"}},
        {"secrets": {"k8s": {"KUBERNETES_CONTEXT": "minikube"}}},
        {"secrets": {"group": {"token": {"type": "vault", "path": "a", "key": "token"}}}},
        {"method": [python("a.b", url="https://service/oauth/token", label="app=x")]},
        {"method": [python("a.b", headers={"Authorization": "Bearer ${token}"})]},
    ],
)
def test_what_is_no_secret_is_let_be(parts):
    assert "secret-in-clear" not in codes(**parts)


def http(**provider):
    return judged(200, provider={"type": "http", "url": "http://x", **provider})


def test_time_limits():
    assert told("no-timeout", **http())[0].startswith("warning")
    assert "no-timeout" not in codes(**http(timeout=3))
    without = {"type": "process", "path": "x"}
    assert told("no-timeout", **judged(0, provider=without))[0].startswith("note")
    assert "bad-timeout" in codes(**http(timeout="3"))
    assert "bad-timeout" in codes(**http(timeout=0))
    given = {"limit": {"type": "env", "key": "LIMIT"}}
    assert "bad-timeout" in codes(configuration=given, **http(timeout="${limit}"))
    pause = {**process("x"), "pauses": {"after": "${limit}"}}
    assert "bad-timeout" in codes(configuration=given, method=[pause])
    typed = {"limit": {"type": "env", "key": "LIMIT", "env_var_type": "int"}}
    assert "bad-timeout" not in codes(configuration=typed, method=[pause], **http(timeout="${limit}"))
    assert "bad-timeout" not in codes(configuration={"limit": 3}, method=[pause], **http(timeout="${limit}"))


def test_threads():
    alarm = {**python("signal.alarm", seconds=3), "background": True}
    assert "main-thread" in codes(method=[alarm])
    assert "main-thread" not in codes(method=[{**alarm, "background": False}])
    load = {**python("theirs.load.users"), "background": True}
    assert "background-delays-undo" in codes(method=[load], rollbacks=[python("a.b")])
    assert "background-delays-undo" not in codes(method=[load])


def test_imports():
    assert told("import-acts", method=[python("antigravity.fly")])[0].startswith("warning")
    assert told("import-acts", method=[python("load.users")])[0].startswith("note")
    assert "import-acts" not in codes(method=[python("theirs.load.users"), python("os.getpid")])


def test_shells():
    assert told("shell-text", method=[process("cat", "a | sort > b")])[0].startswith("note")
    assert told("shell-text", configuration={"x": 1}, method=[process("cat", "${x} | sort")])[0].startswith("warning")
    assert "shell-text" in codes(method=[process("bash", ("-c", "echo 1"))])
    assert "shell-text" not in codes(method=[process("echo", "plain words")])
    assert "shell-in-list" in codes(method=[process("kill", ("$(cat a.pid)",))])
    assert "shell-in-list" in codes(method=[process("echo", ("a", "|", "sort"))])
    assert "shell-in-list" not in codes(method=[process("docker", ("exec", "x", "sh", "-c", "a | b"))])
    assert "shell-in-list" not in codes(method=[process("jq", (".a | .b",))])


def test_variables_of_the_shell_are_its_own():
    assert "unknown-reference" not in codes(method=[process("echo", "${HOME}")])
    assert "unknown-reference" not in codes(method=[process("sh", ("-c", "echo ${HOME}"))])
    assert "unknown-reference" in codes(method=[process("echo", ("${HOME}",))])


def test_a_control_of_others_may_bring_values():
    control = {"name": "infra", "provider": {"type": "python", "module": "theirs.control"}}
    assert "unknown-reference" not in codes(controls=[control], method=[python("a.b", x="${from_it}")])
    assert "unknown-reference" in codes(method=[python("a.b", x="${from_it}")])


def test_references():
    assert "late-reference" in codes(method=[python("a.b", x="${later}"), python("a.c", "later")])
    assert "bad-reference" in codes(method=[python("a.b", x="${no-name}")])
    assert "not-replaced" in codes(configuration={"a": 1, "b": "${a}"})
    assert "flat-secret" in codes(secrets={"token": {"type": "env", "key": "T"}})


def test_what_fails_in_silence():
    step = process("act")
    assert "exit-code-ignored" in codes(method=[step])
    assert "exit-code-ignored" not in codes(method=[{**step, "type": "probe"}])
    assert "failure-goes-on" in codes(method=[python("a.b"), python("a.c")])
    assert "failure-goes-on" not in codes(method=[python("a.b")])
    guard = {"name": "safeguard", "provider": {"type": "python", "module": "theirs.guards"}}
    assert told("control-swallows", controls=[guard])[0].startswith("warning")
    watch = {"name": "trace", "provider": {"type": "python", "module": "chaostracing.control"}}
    assert "control-swallows" not in codes(controls=[watch])


def test_what_is_ignored_or_hidden():
    assert told("ignored", secrets={"g": {"x": {"type": "env", "key": "X", "default": "1"}}})
    assert len(told("ignored", method=[{**LOOK, "timeout": 5}])) == 2
    assert "hidden-value" in codes(configuration={"act": 1}, method=[python("a.act")])
    assert "unknown-key" in codes(rollback=[])
    assert "unknown-extension" in codes(extensions=[{"name": "chaos-lab"}])
