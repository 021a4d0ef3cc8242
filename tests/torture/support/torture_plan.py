"""What one run of the torture does: all of it chosen by chance from the seed and the run's number, and nothing else."""

import random
from dataclasses import asdict, dataclass, field

SIGNALS = ("SIGKILL", "SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT")
WAYS = (
    "sigkill",
    "sigterm",
    "sigint",
    "sighup",
    "sigquit",
    "oom",
    "memory",
    "full",
    "terminal",
    "ctrl-c",
    "flurry",
    "kill-undo",
    "stopped",
    "both",
    "reaper",
    "reader-gone",
    "no-stdio",
    "none",
)
"""How the runner dies: by a signal; by the kernel's out-of-memory killer; because Python has no memory left; with its
terminal; by Ctrl-C, twice, which everything in the foreground hears; by several signals; killed while it undoes;
stopped, so that only times-to-live hold; its reaper first and then itself, so that only the ledger is left; not itself,
but its reaper; not itself, but the disk of its state folder is full; its reader gone; born without stdin, stdout and
stderr; not at all."""
OF_SIGNAL = {f"sig{name}": f"SIG{name.upper()}" for name in ("kill", "term", "int", "hup", "quit")}
PROBE = {
    "type": "probe",
    "name": "there-is-a-root",
    "tolerance": True,
    "provider": {"type": "python", "module": "os.path", "func": "exists", "arguments": {"path": "/"}},
}
CALLS = 6000
"""Calls of functions of chaoslab in a short run, and some more: a larger number never comes."""


@dataclass(frozen=True)
class Plan:
    """One run."""

    number: int
    seed: int
    faults: tuple[str, ...]
    way: str
    at: dict
    """The instant: of a call, of a write, or in seconds."""
    waits_s: tuple[float, ...]
    """How long the run waits after each fault."""
    undo_step: bool
    reaper_dies_s: float = -1.0
    """How long after it was first seen the reaper is killed as well; below 0 it lives."""
    target_dies_s: float = -1.0
    """When the first target dies by itself, in seconds from the run's start; below 0 it lives."""
    second_after_s: float = -1.0
    """When a second run on the same targets is started; below 0 there is none."""
    later: tuple[tuple[float, str], ...] = field(default=())
    """Further signals: seconds after the instant, and which."""
    chance: int = 0
    """The seed of every choice that is left."""

    def told(self):
        """Return the plan in one line."""
        more = {key: value for key, value in asdict(self).items() if value not in (-1.0, (), False)}
        return " ".join(f"{key}={value}" for key, value in more.items() if key not in {"number", "seed", "chance"})


def plan_of(seed, number, *, faults, ways=WAYS):
    """Choose what the run with this number does."""
    chance = random.Random(f"{seed}:{number}")
    way = chance.choice(ways)
    chosen = chance.sample(sorted(faults), k=min(len(faults), chance.choice([1, 1, 2, 3])))
    waits = tuple(round(chance.uniform(0.02, 0.35), 3) for _ in chosen)
    return Plan(
        number,
        seed,
        tuple(chosen),
        way,
        _instant(chance),
        waits,
        undo_step=chance.random() < 0.3,
        reaper_dies_s=_maybe(chance, 0.25, 0.4) if way != "reaper" else round(chance.uniform(0.0, 0.4), 3),
        target_dies_s=_maybe(chance, 0.15, 1.5, least_s=0.2),
        second_after_s=_maybe(chance, 0.15, 0.8),
        later=_later(chance, way),
        chance=chance.getrandbits(32),
    )


def _maybe(chance, share, most_s, least_s=0.0):
    """Return an instant in a share of the cases, else -1."""
    happens, at_s = chance.random() < share, round(chance.uniform(least_s, most_s), 3)
    return at_s if happens else -1.0


def _instant(chance):
    """Choose the instant: a call, a write of the ledger, or by the clock, with a share for the very beginning."""
    match chance.choices(["call", "write", "clock", "beginning"], weights=[3, 4, 3, 1])[0]:
        case "call":
            return {"kind": "call", "number": int(chance.triangular(1, CALLS, CALLS * 0.7))}
        case "write":
            line = chance.choices(["opened", "intended", "injected", "undone"], weights=[1, 3, 3, 3])[0]
            part = chance.choice(["before", "half", "after"])
            return {"kind": "write", "line": line, "part": part, "number": chance.choice([1, 1, 2])}
        case "clock":
            return {"kind": "clock", "after_s": round(chance.uniform(0.2, 1.5), 4)}
        case _:
            return {"kind": "clock", "after_s": round(chance.uniform(0.0, 0.2), 4)}


def _later(chance, way):
    match way:
        case "flurry":
            count = chance.randint(1, 4)
            signals = ("SIGTERM", "SIGINT", "SIGHUP", "SIGKILL")
            return tuple((round(chance.uniform(0.0, 0.3), 4), chance.choice(signals)) for _ in range(count))
        case "kill-undo":
            return ((round(chance.uniform(0.0, 0.03), 4), "SIGKILL"),)
        case "stopped":
            return ((round(chance.uniform(0.5, 1.6), 3), chance.choice(["SIGKILL", "SIGCONT"])),)
        case _:
            return ()


def experiment(plan, victims):
    """Return the file that the run plays."""
    chance = random.Random(plan.chance)
    method = []
    for victim, wait_s in zip(victims, plan.waits_s, strict=True):
        method += [victim.strike(chance), _ours("wait", "wait", duration=f"{wait_s}s")]
    if plan.undo_step:
        method.append(_ours("undo", "undo"))
    return {
        "title": "Torture",
        "description": "Strikes, waits, and is not left in peace.",
        "extensions": [
            {
                "name": "chaoslab",
                "kind": "experiment",
                "domain": "torture",
                "targets": [{"kind": "torture", "address": name} for name in plan.faults],
                "blast_radius": "targets that the torture made for this",
            }
        ],
        "controls": [{"name": "chaoslab", "provider": {"type": "python", "module": "chaoslab.engine.control"}}],
        "steady-state-hypothesis": {"title": "there is a machine", "probes": [PROBE]},
        "method": method,
        "rollbacks": [rollback for victim in victims for rollback in victim.rollbacks()],
    }


def _ours(name, func, **arguments):
    provider = {"type": "python", "module": "chaoslab.runtime.actions", "func": func, "arguments": arguments}
    return {"type": "action", "name": name, "provider": provider}
