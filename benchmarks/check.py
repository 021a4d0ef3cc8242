"""`chaoslab check` over a thousand files of other people's size, against only reading the same files as YAML."""

import os
import random
import sys
import tempfile
import time
from pathlib import Path

import yaml
from _harness import Row, Timed, alone, command, table

BIN = Path(sys.executable).parent
FILES = 1000
ACTIONS = (
    ("chaosk8s.pod.actions", "terminate_pods", {"label_selector": "app=appointment", "ns": "shop", "rand": True}),
    ("chaosk8s.deployment.actions", "scale_deployment", {"name": "appointment", "replicas": 0, "ns": "shop"}),
    ("chaostoxi.toxic.actions", "create_latency_toxic", {"for_proxy": "db", "toxic_name": "slow", "latency": 200}),
    ("theirs.network.actions", "cut", {"from": "${service}", "to": "database", "seconds": "${duration}"}),
)


def experiment(number: int, chance: random.Random) -> dict[str, object]:
    """Return one file: a hypothesis of three probes, some actions with pauses, as many rollbacks."""
    chosen = [chance.choice(ACTIONS) for _ in range(chance.randint(1, 4))]
    return {
        "version": "1.0.0",
        "title": f"What happens to service {number} when something goes away?",
        "description": "A service must answer, more slowly if need be, while a part of what it needs is not there.",
        "tags": ["kubernetes", "resilience", f"service-{number}"],
        "configuration": {
            "service": f"service-{number}",
            "duration": {"type": "env", "key": "DURATION", "default": 30, "env_var_type": "int"},
            "address": {"type": "env", "key": "SERVICE_URL", "default": "http://localhost:8080"},
        },
        "steady-state-hypothesis": {"title": "the service answers", "probes": [probe(index) for index in range(3)]},
        "method": [step(index, *action) for index, action in enumerate(chosen)],
        "rollbacks": [
            step(index, "theirs.network.actions", "heal", {"to": "database"}) for index in range(len(chosen))
        ],
    }


def probe(index: int) -> dict[str, object]:
    """Return a probe of the hypothesis."""
    provider = {"type": "http", "url": "${address}/actuator/health", "timeout": 3, "headers": {"Accept": "*/*"}}
    return {"type": "probe", "name": f"answers-{index}", "tolerance": [200, 204], "provider": provider}


def step(index: int, module: str, func: str, arguments: dict[str, object]) -> dict[str, object]:
    """Return an action."""
    provider = {"type": "python", "module": module, "func": func, "arguments": arguments}
    return {"type": "action", "name": f"{func}-{index}", "provider": provider, "pauses": {"after": 15}}


def processor_seconds(work: Timed) -> float:
    """Return how long a whole process had the processor: on a busy machine it waits for it besides."""
    before = os.times()
    work()
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def read_all(folder: Path) -> None:
    """Read every file as Chaos Toolkit does."""
    for path in folder.iterdir():
        yaml.safe_load(path.read_bytes())


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as name:
        folder, chance = Path(name), random.Random(7)
        for number in range(FILES):
            text = yaml.safe_dump(experiment(number, chance), sort_keys=False)
            (folder / f"{number:04}.yaml").write_text(text)
        size = sum(path.stat().st_size for path in folder.iterdir()) / FILES
        accepted = folder.parent / f"{folder.name}.json"
        command([BIN / "chaoslab", "check", folder, "--baseline", accepted, "--write-baseline"])()
        checked = command([BIN / "chaoslab", "check", folder, "--baseline", accepted])
        samples = [processor_seconds(checked) for _ in range(3)]
        begun = time.process_time()
        read_all(folder)
        read_s = time.process_time() - begun
        accepted.unlink()
    ours = sorted(samples)[1]
    rows = [alone(f"`chaoslab check`, {FILES} files of {size:,.0f} bytes, of the processor", samples, goal=3.0)]
    against = "the same against `yaml.safe_load` of each"
    rows.append(Row(against, f"{ours:.3f} s", f"{read_s:.3f} s", ours / read_s, "x", 1.0))
    print(table(rows))


if __name__ == "__main__":
    main()
