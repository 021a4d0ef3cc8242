"""What failures of DNS do to real clients, and what they leave alone."""

import os
import resource
import shutil
import signal
import socket
import sys
import time
from pathlib import Path

import pytest
from cli_runs import file_of, run
from naming import RECORDS, Naming
from talking import Line

from chaoslab.core.errors import BadUsage, Refused
from chaoslab.network import responders
from chaoslab.network.dns import error, no_answer, slow, wrong_address
from chaoslab.network.dns_fault import DNS
from chaoslab.network.programs import ProgramFailed
from chaoslab.runtime.fault import pin_of

QUESTION = b"\0\7\1\0\0\1\0\0\0\0\0\0\2db\10internal\0\0\1\0\1"


@pytest.fixture(scope="module")
def naming():
    made = Naming(asker=False)
    yield made
    made.stop()


@pytest.fixture
def struck(naming, state):
    before, struck = naming.rulesets(), []

    def strike(action, names="db.internal", **arguments):
        where = {"resolver": [naming.server_address, naming.server6], "netns": naming.client.name}
        pinned = pin_of(action)(names, **(where | arguments))
        struck.append(pinned.data)
        DNS.inject(pinned.data)
        return pinned.data

    yield strike
    for data in struck:
        DNS.undo(data)
        assert not Path(data["order"]["status"]).exists()
    assert naming.rulesets() == before


KINDS = [
    (error, {}, "NXDOMAIN"),
    (error, {"code": "servfail"}, "SERVFAIL"),
    (wrong_address, {"address": "192.0.2.9"}, "192.0.2.9"),
    (no_answer, {}, "silence"),
]


@pytest.mark.parametrize("transport", ["+notcp", "+tcp"])
@pytest.mark.parametrize(("action", "arguments", "answer"), KINDS, ids=[kind[2] for kind in KINDS])
def test_the_chosen_name_is_broken_and_every_other_is_not(naming, struck, action, arguments, answer, transport):
    assert naming.dig("db.internal", transport) == RECORDS["db.internal"]
    data = struck(action, **arguments)
    assert not DNS.effective(data)
    assert naming.dig("db.internal", transport, patience_s=1) == answer
    assert DNS.effective(data)
    assert naming.dig("web.internal", transport, patience_s=20) == RECORDS["web.internal"]
    DNS.undo(data)
    assert naming.dig("db.internal", transport, patience_s=20) == RECORDS["db.internal"]


def test_an_answer_over_ipv6_is_broken_too(naming, struck):
    struck(error)
    assert naming.dig("DB.Internal", server=naming.server6) == "NXDOMAIN"
    assert naming.dig("web.internal", server=naming.server6) == RECORDS["web.internal"]


def test_a_slow_answer_is_the_real_one(naming, struck):
    struck(slow, latency="800ms")
    begun = time.monotonic()
    assert naming.dig("db.internal", patience_s=20) == RECORDS["db.internal"]
    assert time.monotonic() - begun >= 0.8


def test_a_wrong_address_of_one_version_hides_the_other_and_leaves_other_records(naming, struck):
    real = naming.dig("db.internal", "-t", "TXT")
    struck(wrong_address, address="fd00::9")
    assert naming.dig("db.internal", "-t", "AAAA") == "fd00::9"
    assert naming.dig("db.internal", "-t", "A") == "nothing"
    assert naming.dig("db.internal", "-t", "TXT") == real


@pytest.mark.parametrize(
    ("names", "hit"),
    [("*.internal", {"db.internal", "web.internal"}), ("web.internal,x.y", {"web.internal"}), ("*", set(RECORDS))],
)
def test_patterns_mean_what_they_say(naming, struck, names, hit):
    struck(error, names)
    assert {name for name in RECORDS if naming.dig(name) == "NXDOMAIN"} == hit


def test_a_client_that_keeps_its_socket_is_hit_and_freed_also_beside_other_nat(naming, struck):
    """The kernel remembers the flow: before, as one to the real server, and afterwards, as one to the responder."""
    nat = "add table ip nat\nadd chain ip nat out { type nat hook output priority -100; }\n"
    naming.client.run("nft", "-f", "-", stdin=nat)
    line = Line(naming.client, naming.server_address, 53, kind=socket.SOCK_DGRAM)
    try:
        codes = [line.says(QUESTION, 20.0)[3] & 15]
        data = struck(error)
        codes.append(line.says(QUESTION, 20.0)[3] & 15)
        DNS.undo(data)
        codes.append(line.says(QUESTION, 20.0)[3] & 15)
    finally:
        line.close()
        naming.client.run("nft", "delete", "table", "ip", "nat")
    assert codes == [0, 3, 0]


def test_programs_that_ask_their_resolver_are_hit_through_the_resolv_conf_of_the_namespace(naming, struck):
    folder = Path("/etc/netns") / naming.client.name
    folder.mkdir(parents=True)
    try:
        (folder / "resolv.conf").write_text(f"nameserver {naming.server_address}\noptions timeout:2 attempts:5\n")
        code = "import socket; print(socket.gethostbyname('db.internal'))"
        assert naming.client.run("python3", "-c", code).strip() == RECORDS["db.internal"]
        struck(wrong_address, address="192.0.2.9", resolver="")
        assert naming.client.run("python3", "-c", code).strip() == "192.0.2.9"
        assert naming.client.run("getent", "ahostsv4", "db.internal").split()[0] == "192.0.2.9"
    finally:
        shutil.rmtree(folder)


def test_a_responder_that_was_killed_is_undone_all_the_same(naming, struck):
    data = struck(error)
    [identity] = responders._of(data["table"])
    os.kill(identity.pid, signal.SIGKILL)
    DNS.undo(data)
    assert naming.dig("db.internal", patience_s=20) == RECORDS["db.internal"]


def test_what_is_no_question_reaches_the_real_server_and_harms_nobody(naming, struck):
    struck(error)
    line = Line(naming.client, naming.server_address, 53, kind=socket.SOCK_DGRAM)
    try:
        for junk in (b"", b"x", QUESTION[:20], os.urandom(400), QUESTION[:12] + b"\xc0\x0c" * 9):
            line.says(junk, 0.05)
    finally:
        line.close()
    assert naming.dig("db.internal") == "NXDOMAIN"


@pytest.mark.parametrize(
    "after",
    [b"and more", b"\0\0\x29\4\xd0\0\0\0\0\0\5\0\x0a\0\1\0", b"\0\0\x29\4\xd0\0\0\0\0\0\x08\0\x08\0\4\0\7\xff\0"],
    ids=["bytes", "a-cookie-cut-short", "a-subnet-of-no-family"],
)
def test_what_follows_the_question_saves_nobody(naming, struck, after):
    """The real server answers such questions, so the broken one must hit them too."""
    question = QUESTION if after == b"and more" else QUESTION[:11] + b"\1" + QUESTION[12:]
    line = Line(naming.client, naming.server_address, 53, kind=socket.SOCK_DGRAM)
    try:
        codes = [line.says(question + after, 20.0)[3] & 15]
        struck(error)
        codes.append(line.says(question + after, 20.0)[3] & 15)
    finally:
        line.close()
    assert codes == [0, 3]


def test_a_slow_name_holds_up_no_other_on_the_same_connection(naming, struck):
    struck(slow, latency="30s")
    line = Line(naming.client, naming.server_address, 53)
    try:
        both = [QUESTION, QUESTION.replace(b"\2db", b"\3web").replace(b"\0\7", b"\0\x08", 1)]
        answer = line.says(b"".join(len(question).to_bytes(2) + question for question in both), 20.0)
    finally:
        line.close()
    assert answer[2:4] == b"\0\x08", "the question that is not slow is answered first"


CROWD = """
import resource, socket, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
lines = [socket.create_connection((sys.argv[1], 53), timeout=20) for _ in range(1500)]
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
    line.settimeout(20)
    line.sendto(bytes.fromhex(sys.argv[2]), (sys.argv[1], 53))
    print(line.recv(999)[3] & 15)
"""


def test_a_crowd_of_clients_shuts_nobody_out(naming, struck):
    usual = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, usual[1]))  # as a login has it, and what it starts inherits
    try:
        struck(error)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, usual)
    other = QUESTION.replace(b"\2db", b"\3web")
    assert naming.client.run(sys.executable, "-c", CROWD, naming.server_address, other.hex()) == "0\n"


def test_a_responder_that_cannot_serve_brings_itself_no_questions(naming, tmp_path):
    before = naming.rulesets()
    pinned = pin_of(error)("db.internal", resolver=naming.server_address, netns=naming.client.name)
    (tmp_path / "status").mkdir()
    pinned.data["order"]["status"] = str(tmp_path / "status")
    with pytest.raises(ProgramFailed, match=f"failed: cannot write {tmp_path}/status: Is a directory"):
        DNS.inject(pinned.data)
    assert naming.rulesets() == before
    assert responders._of(pinned.data["table"]) == []


def test_a_name_that_nobody_asks_for_is_inconclusive(naming, tmp_path):
    arguments = {"names": "never.internal", "resolver": naming.server_address, "netns": naming.client.name}
    code, said = run(tmp_path, "run", file_of(tmp_path, error, **arguments))
    assert code == 11, said
    assert "did not bite" in said
    assert naming.rulesets() == ["", ""]


BAD = [
    (error, {"names": ""}, BadUsage, "names: name at least one"),
    (error, {"names": "a b..c"}, BadUsage, "'b..c' is no name"),
    (error, {"names": "x.y", "code": "NOERROR"}, BadUsage, "code: 'NOERROR' is none of"),
    (error, {"names": "x.y", "ttl": "0s"}, BadUsage, "longer than zero"),
    (error, {"names": "x.y", "ttl": "2d"}, BadUsage, "longer than 24h, the longest allowed"),
    (error, {"names": "x.y", "port": 0}, BadUsage, "no port"),
    (slow, {"names": "x.y", "latency": "0s"}, BadUsage, "above 0s and at most 30s"),
    (slow, {"names": "x.y", "latency": "31s"}, BadUsage, "above 0s and at most 30s"),
    (wrong_address, {"names": "x.y", "address": ""}, BadUsage, "address: name at least one"),
    (wrong_address, {"names": "x.y", "address": "10.0.0.0/24"}, BadUsage, "give addresses, no network"),
    (error, {"names": "x.y", "resolver": "dns.internal"}, BadUsage, "is no address"),
    (error, {"names": "*", "netns": ""}, Refused, "every name on this host"),
    (error, {"names": "x.y", "netns": "nowhere"}, Refused, "no network namespace nowhere"),
]


@pytest.mark.parametrize(("action", "arguments", "kind", "why"), BAD)
def test_what_makes_no_sense_is_refused_by_the_plan(naming, action, arguments, kind, why):
    with pytest.raises(kind, match=why):
        pin_of(action)(**({"netns": naming.client.name, "resolver": "10.0.0.1"} | arguments))


def test_the_same_fault_twice_is_refused(naming, struck):
    struck(error)
    with pytest.raises(Refused, match=r"DNS error NXDOMAIN for db\.internal stands already"):
        struck(error)


def test_a_namespace_without_loopback_is_refused(naming):
    naming.client.run("ip", "link", "set", "lo", "down")
    try:
        with pytest.raises(Refused, match="the loopback of network namespace .* is down"):
            pin_of(error)("x.y", resolver="10.0.0.1", netns=naming.client.name)
    finally:
        naming.client.run("ip", "link", "set", "lo", "up")
