"""What is special to the faults of a Redis server: whom they refuse, what they leave alone."""

import pytest
from redis_server import PASSWORD, RedisServer

from chaoslab.core.errors import BadUsage, Refused
from chaoslab.core.record import record_of
from chaoslab.redis.actions import evict, freeze, kill_connections, squeeze_memory
from chaoslab.redis.probes import answers, has_keys
from chaoslab.redis.server import RedisFailed
from chaoslab.runtime.fault import pin_of
from chaoslab.runtime.runlog import read_events
from chaoslab.runtime.session import Session, has_session


@pytest.fixture
def session(tmp_path):
    made = Session("faults", tmp_path / "run", state=tmp_path / "state")
    made.start({"id": "faults"})
    yield made
    if has_session():
        assert made.close("completed") == []


def test_only_a_share_of_the_keys_that_match_goes(redis_server, session):
    assert evict(redis_server.url, pattern="appointment:*", share="25%") == {"evicted": 25}
    assert redis_server.ask("DBSIZE") == 76
    assert redis_server.ask("GET", "other") == b"kept"
    assert has_keys(redis_server.url, "appointment:*", at_least=75)
    assert not has_keys(redis_server.url, "appointment:*", at_least=76)


def test_only_clients_of_the_name_are_cut_off(redis_server, session):
    redis_server.named("shop-1")
    bank = redis_server.named("bank")
    before = bank.client_id()
    assert kill_connections(redis_server.url, name="shop-*") == {"killed": 1}
    assert bank.client_id() == before


def test_no_password_enters_the_ledger(redis_server, session, tmp_path):
    freeze(redis_server.url)
    squeezed = [path.read_text() for path in (tmp_path / "state" / "ledger").iterdir()]
    assert PASSWORD not in "".join(squeezed + [path.read_text() for path in (tmp_path / "run").iterdir()])
    with pytest.raises(RedisFailed, match="imeout"):
        answers(redis_server.url, timeout="300ms")
    assert session.undo() == []
    assert answers(redis_server.url)
    assert list((tmp_path / "state" / "held").iterdir()) == []


def test_a_limit_that_somebody_set_meanwhile_stays(redis_server, session):
    squeeze_memory(redis_server.url, memory="50%", policy="allkeys-lru")
    redis_server.ask("CONFIG", "SET", "maxmemory", "77777777")
    assert session.undo() == []
    assert redis_server.client().config_get("maxmemory") == {"maxmemory": "77777777"}
    assert redis_server.client().config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}


def test_a_squeeze_that_nobody_feels_did_not_bite(redis_server, session, tmp_path):
    """Nothing may be given up, and nobody writes."""
    squeeze_memory(redis_server.url, memory="50%", policy="noeviction")
    session.close("completed")
    told = record_of(read_events(tmp_path / "run" / "events.jsonl"))
    assert {finding.code for finding in told.findings} == {"fault-without-effect"}


def test_a_replica_is_refused(redis_server, tmp_path):
    folder = tmp_path / "replica"
    folder.mkdir()
    replica = RedisServer(folder)
    try:
        replica.ask("REPLICAOF", "127.0.0.1", str(redis_server.port))
        with pytest.raises(Refused, match="is a replica"):
            pin_of(evict)(replica.url, pattern="*")
    finally:
        replica.stop()


@pytest.mark.parametrize(
    ("call", "kind", "reason"),
    [
        (lambda url: pin_of(evict)(url, pattern=""), BadUsage, "pattern: say which keys"),
        (lambda url: pin_of(evict)(url, pattern="nothing:*"), Refused, "no key of .* matches nothing:"),
        (lambda url: pin_of(evict)(url, pattern="*", share="0%"), BadUsage, "above 0%"),
        (lambda url: pin_of(evict)(url, pattern="*", share="200%"), BadUsage, "share"),
        (lambda url: pin_of(kill_connections)(url), BadUsage, "give a kind or a name"),
        (lambda url: pin_of(kill_connections)(url, kind="all"), BadUsage, "none of normal"),
        (lambda url: pin_of(kill_connections)(url, name="nobody"), Refused, "has no client named nobody"),
        (lambda url: pin_of(freeze)(url, ttl="0s"), BadUsage, "longer than zero"),
        (lambda url: pin_of(freeze)(url.replace("only", "not")), Refused, "invalid|WRONGPASS"),
        (lambda url: pin_of(freeze)("redis://127.0.0.1:1"), Refused, "refused"),
        (lambda url: pin_of(freeze)("http://127.0.0.1:1"), BadUsage, "write redis://"),
        (lambda url: pin_of(squeeze_memory)(url, memory="100%"), BadUsage, "below 100%"),
        (lambda url: pin_of(squeeze_memory)(url, memory="1GiB"), Refused, "would not squeeze"),
        (lambda url: pin_of(squeeze_memory)(url, memory="soon"), BadUsage, "memory"),
    ],
)
def test_what_makes_no_sense_is_told_before_anything_is_touched(redis_server, call, kind, reason):
    with pytest.raises(kind, match=reason) as told:
        call(redis_server.url)
    assert PASSWORD not in str(told.value)
    assert redis_server.ask("DBSIZE") == 101
