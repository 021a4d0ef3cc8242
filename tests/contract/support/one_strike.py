"""A catalog file that strikes once and then waits for long."""


def experiment(reference, arguments):
    """Return a file that strikes once and then waits for long."""
    module, _, function = reference.partition(":")

    def step(name, **provider):
        return {"type": "action", "name": name, "provider": {"type": "python", **provider}}

    return {
        "title": "Contract",
        "description": "Strikes and waits.",
        "controls": [{"name": "chaoslab", "provider": {"type": "python", "module": "chaoslab.engine.control"}}],
        "extensions": [
            {
                "name": "chaoslab",
                "kind": "experiment",
                "domain": "contract",
                "targets": [{"kind": "contract", "address": "target"}],
                "blast_radius": "the target of the test",
            }
        ],
        "steady-state-hypothesis": {
            "title": "It runs",
            "probes": [
                {
                    "type": "probe",
                    "name": "runs",
                    "tolerance": 0,
                    "provider": {"type": "process", "path": "test", "arguments": ["-d", "/"]},
                }
            ],
        },
        "method": [
            step("strike", module=module, func=function, arguments=arguments),
            step("wait", module="chaoslab.runtime.actions", func="wait", arguments={"duration": "60s"}),
        ],
        "rollbacks": [],
    }
