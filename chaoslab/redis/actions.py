"""Faults of a Redis server: it answers nobody, it has no room, it forgets, it hangs up."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from chaoslab.core.errors import BadUsage, Refused
from chaoslab.core.units import format_size
from chaoslab.redis.clients import KINDS, chosen_clients
from chaoslab.redis.keys import chosen_keys, many, matching
from chaoslab.redis.server import GUARD, RedisDown, RedisFailed, client, describe, look, url_of
from chaoslab.runtime.arguments import one_of, share_above_zero, size_bytes, time_to_live
from chaoslab.runtime.arguments import share as share_of
from chaoslab.runtime.fault import Data, Fault, Pinned
from chaoslab.runtime.holder import Hold

_HOLDER = "chaoslab.redis.holding"
_READY_S = 30.0
_SILENCE_S = 0.5
_BATCH = 500
_WHOSE, _HOW = ("allkeys", "volatile"), ("lru", "lfu", "lrm", "random")
_POLICIES = ("noeviction", "volatile-ttl", *(f"{whose}-{how}" for whose in _WHOSE for how in _HOW))


def _freeze(data: Data) -> dict[str, Any]:
    hold = Hold(data["held"])
    url = url_of(hold)
    hold.write()
    return hold.start(_HOLDER, {"url": url}, ttl_s=data["ttl_s"], ready_within_s=_READY_S)


def _is_frozen(data: Data) -> bool:
    """Ask on a connection of our own: a server that takes it and does not answer stands still."""
    hold = Hold(data["held"])
    if not hold.is_alive():
        return False
    try:
        with client(url_of(hold), timeout_s=_SILENCE_S) as server:
            server.ping()
    except RedisDown:
        return False
    except RedisFailed as silent:
        return "imeout" in str(silent)
    return False


def _thaw(data: Data) -> None:
    hold = Hold(data["held"])
    url = url_of(hold) if hold.read() else ""
    hold.end()
    if url:
        with suppress(RedisFailed), client(url) as server:
            server.ping()  # the last links of the chain run out
    hold.remove()


FREEZE = Fault(inject=_freeze, effective=_is_frozen, undo=_thaw)


@FREEZE.action
def freeze(url: str, ttl: str = "60s") -> Pinned:
    """Have a Redis server answer nobody, as a long command or a swapping machine does; connections stay open.

    The server is told so by CLIENT PAUSE, a tenth of a second at a time, so the freeze ends on the spot when nobody
    goes on with it: also when the network between is cut. To stop the process itself, use `process.pause`.

    Args:
        url: the server, `redis://host:port`
        ttl: how long it may last without the runner's word

    Blast radius: every client of this server, whichever its database; its replicas go on. A Sentinel may fail over.
    Undo: the holder ends, and the pause runs out within a fifth of a second.
    Effective when: the server takes a connection and does not answer on it.

    Raises:
        BadUsage: an argument makes no sense.
        Refused: the server does not answer now, or does not let us in.
    """
    ttl_s = time_to_live(ttl)
    look(url)
    hold = Hold.pinned("redis.freeze", describe(url), {"url": url})
    return Pinned(target=f"redis {describe(url)}", data={"held": str(hold.path), "ttl_s": ttl_s}, ttl_s=ttl_s)


def _squeeze(data: Data) -> dict[str, Any]:
    hold = Hold(data["held"])
    with client(url_of(hold)) as server:
        info = server.info()
        old = {name: server.config_get(name)[name] for name in ("maxmemory", "maxmemory-policy")}
        limit = max(1, round(info["used_memory"] * data["share"])) if data["share"] else data["bytes"]
        ours = {"maxmemory": str(limit), "maxmemory-policy": data["policy"] or old["maxmemory-policy"]}
        hold.write(old=old, ours=ours, hit_before=_hit(server))
        for name, value in ours.items():
            server.config_set(name, value)
    return {**ours, "was": old["maxmemory"]}


def _is_short_of_memory(data: Data) -> bool:
    """Say whether our limit stands, and the server has thrown keys away or refused writes since."""
    known = Hold(data["held"]).read() or {}
    if "ours" not in known:
        return False
    with client(known["url"]) as server:
        limit = server.config_get("maxmemory")["maxmemory"]
        return bool(limit == known["ours"]["maxmemory"] and _hit(server) > known["hit_before"])


def _hit(server: Any) -> int:
    """Return how many keys were thrown away and how many writes refused for want of memory."""
    refused = server.info("errorstats").get("errorstat_OOM", {})
    return int(server.info("stats")["evicted_keys"]) + int(refused.get("count", 0))


def _give_memory_back(data: Data) -> None:
    """Put back what was, where it is still ours; a server that was started anew has its own settings again.

    Raises:
        RedisFailed: a server that lives does not let us.
    """
    hold = Hold(data["held"])
    known = hold.read() or {}
    with suppress(RedisDown):
        if "ours" in known:
            with client(known["url"]) as server:
                for name, ours in known["ours"].items():
                    if server.config_get(name)[name] == ours != known["old"][name]:
                        server.config_set(name, known["old"][name])
    hold.remove()


SQUEEZE = Fault(inject=_squeeze, effective=_is_short_of_memory, undo=_give_memory_back, effective_within_s=10.0)


@SQUEEZE.action
def squeeze_memory(url: str, memory: str = "80%", policy: str = "", ttl: str = "60s") -> Pinned:
    """Leave a Redis server less memory than it uses: it throws keys away, or refuses writes, as its policy says.

    Args:
        url: the server, `redis://host:port`
        memory: that it may use: a share of what it uses when the fault begins (`80%`), or a size (`10MiB`)
        policy: another maxmemory-policy for as long as the fault lasts, such as `noeviction`; '' keeps the server's
        ttl: how long it may last without the runner's word

    Blast radius: keys that the policy gives up are lost, of every database of this server; expected loss.
    Undo: the former limit and policy, unless somebody has set others meanwhile. The keys do not come back.
    Effective when: the server has thrown a key away or refused a write since.

    Raises:
        BadUsage: an argument makes no sense.
        Refused: the server does not answer, has less in use than the limit, or lets nobody set its configuration.
    """
    ttl_s = time_to_live(ttl)
    part = share_of("memory", memory) if str(memory).strip().endswith("%") else 0.0
    limit = 0 if part else size_bytes("memory", memory)
    if not 0 < part < 1 and limit <= 0:
        raise BadUsage("memory: must be above 0% and below 100% of what is in use, or a size")
    if policy and policy not in _POLICIES:
        raise BadUsage(f"policy: {policy!r} is none of {', '.join(_POLICIES)}")
    used = look(url)["used_memory"]
    try:
        with client(url) as server:
            server.config_get("maxmemory")
    except RedisFailed as closed:
        raise Refused(GUARD, f"its configuration cannot be set: {closed}") from closed
    if limit and used <= limit:
        told = f"{describe(url)} uses {format_size(used)}, which {format_size(limit)} would not squeeze"
        raise Refused(GUARD, told)
    hold = Hold.pinned("redis.squeeze_memory", describe(url), {"url": url})
    data = {"held": str(hold.path), "share": part, "bytes": limit, "policy": policy}
    target = f"redis {describe(url)}, memory limited to {memory}"
    return Pinned(target, data, ttl_s, claims=(f"memory of redis {describe(url)}",))


def _evict(data: Data) -> dict[str, Any]:
    hold = Hold(data["held"])
    gone = 0
    with client(url_of(hold)) as server:
        keys = chosen_keys(server, data["pattern"], data["share"], data["seed"])
        for begin in range(0, len(keys), _BATCH):
            batch = server.pipeline(transaction=False)
            for key in keys[begin : begin + _BATCH]:
                batch.unlink(key)  # one by one: in a cluster, keys of one order must lie together
            gone += sum(batch.execute())
    hold.note(gone=gone)
    return {"evicted": gone}


def _were_evicted(data: Data) -> bool:
    """Say whether the server has removed some, by its own count: the service may have filled them in again already."""
    return int(Hold(data["held"]).remembered().get("gone", 0)) > 0


def _nothing(data: Data) -> None:
    """Undo nothing: what a cache has lost is filled in again by its users, which is what the exercise is to show."""


EVICT = Fault(inject=_evict, effective=_were_evicted, undo=_nothing, momentary=True, undo_deadline_s=60.0)


@EVICT.action
def evict(url: str, pattern: str, share: str = "100%", seed: int = 0) -> Pinned:
    """Remove keys, as an eviction, an expiry of many at once, or a restart without a disk does.

    Args:
        url: the server and its database, `redis://host:port/db`
        pattern: which keys, as for SCAN: `appointment:*`; `*` means all, and must be said
        share: how many of them, chosen by chance
        seed: the same seed chooses the same of the same keys

    Blast radius: the keys that are chosen are lost: expected loss. Name no pattern of data that only Redis has.
    Undo: nothing; the fault is over when the keys are gone, and their users fill them in again.
    Effective when: the server has removed at least one.

    Raises:
        BadUsage: an argument makes no sense.
        Refused: the server does not answer, is a replica, or has no such key.
    """
    part = share_above_zero("share", share)
    if not pattern.strip():
        raise BadUsage("pattern: say which keys, such as session:*; to mean all, write *")
    if look(url).get("role") != "master":
        raise Refused(GUARD, f"{describe(url)} is a replica: its keys are its primary's; name that one")
    with client(url) as server:
        found = matching(server, pattern)
    if not found:
        raise Refused(GUARD, f"no key of {describe(url)} matches {pattern}")
    hold = Hold.pinned("redis.evict", f"{describe(url)} {pattern}", {"url": url})
    return Pinned(
        target=f"{share} of {many(found)} keys that match {pattern} in redis {describe(url)}",
        data={"held": str(hold.path), "pattern": pattern, "share": part, "seed": seed},
        ttl_s=EVICT.undo_deadline_s,
    )


def _hang_up(data: Data) -> dict[str, Any]:
    hold = Hold(data["held"])
    with client(url_of(hold)) as server:
        chosen = chosen_clients(server, kind=data["kind"], name=data["name"])
        killed = [number for number in chosen if server.client_kill_filter(_id=number)]
    hold.note(killed=killed)
    return {"killed": len(killed)}


def _are_hung_up(data: Data) -> bool:
    hold = Hold(data["held"])
    killed = set(hold.remembered().get("killed", ()))
    if not killed:
        return False
    with client(url_of(hold)) as server:
        return killed.isdisjoint(int(one["id"]) for one in server.client_list())


KILL = Fault(inject=_hang_up, effective=_are_hung_up, undo=_nothing, momentary=True)


@KILL.action
def kill_connections(url: str, kind: str = "", name: str = "") -> Pinned:
    """Have a Redis server hang up on clients, as a failover or a load balancer does; they may come back at once.

    Args:
        url: the server, `redis://host:port`
        kind: `normal`, `pubsub` or `replica`; '' means those of any kind that have the name
        name: the name that they gave themselves (CLIENT SETNAME), as a pattern such as `shop-*`; '' means any

    Blast radius: these connections, and what was under way on them; ours are never among them.
    Undo: nothing; the fault is over when they are closed.
    Effective when: the server has closed at least one, and lists none of them any more.

    Raises:
        BadUsage: neither kind nor name is given, or there is no such kind.
        Refused: the server does not answer, or has no such client.
    """
    if not kind and not name:
        raise BadUsage("give a kind or a name: none of them means nobody, not everybody")
    one_of("kind", kind, ("", *KINDS))
    look(url)
    with client(url) as server:
        found = chosen_clients(server, kind=kind, name=name)
    who = " ".join(word for word in (kind, f"named {name}" if name else "") if word)
    if not found:
        raise Refused(GUARD, f"{describe(url)} has no client {who} besides ours")
    hold = Hold.pinned("redis.kill_connections", f"{describe(url)} {who}", {"url": url})
    data = {"held": str(hold.path), "kind": kind, "name": name}
    return Pinned(target=f"clients {who} of redis {describe(url)}", data=data, ttl_s=KILL.undo_deadline_s)
