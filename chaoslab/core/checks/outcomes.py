"""What a probe gives to its tolerance, as far as that is known without running it."""

from __future__ import annotations

from typing import NamedTuple

from chaoslab.core.checks.view import Step

RESPONSE = {"http": ("status", "headers", "body"), "process": ("status", "stdout", "stderr")}


class Output(NamedTuple):
    """The kind of value that a tolerance judges."""

    kind: str
    """response, bool, int, mapping, list, text, or '' when nobody knows."""
    keys: tuple[str, ...] = ()
    """What a response has."""

    @property
    def told(self) -> str:
        if self.kind == "response":
            return f"a mapping with {', '.join(self.keys)}"
        return {"bool": "true or false", "int": "a whole number", "mapping": "a mapping", "list": "a list"}.get(
            self.kind, "text"
        )


UNKNOWN = Output("")


def output_of(step: Step) -> Output:
    """Return what a probe gives."""
    if step.kind in RESPONSE:
        return Output("response", RESPONSE[step.kind])
    if step.known is not None and step.known.returns:
        return Output(step.known.returns)
    return UNKNOWN


def target_of(output: Output, target: object) -> Output:
    """Return what is left when a tolerance picks one key of the output."""
    if not target or output.kind != "response":
        return UNKNOWN if output.kind == "mapping" and target else output
    if target not in output.keys:
        return output  # the engine then takes the whole
    return {"status": Output("int"), "headers": Output("mapping"), "body": UNKNOWN}.get(str(target), Output("text"))
