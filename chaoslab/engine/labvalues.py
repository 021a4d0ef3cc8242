"""Values that come from the lab: `lab:postgres.0.dsn`, or `lab:service.url?` where the exercise can do without."""

from collections.abc import Mapping
from typing import Any

from chaoslab.core.errors import Refused

_PREFIX = "lab:"
_REMEDIES = {
    "redis": "install redis-server (Debian: apt-get install redis-server) and start the lab again",
    "standby": "start it with `chaoslab lab start --standby`",
    "kafka": "start it with `chaoslab lab start --kafka`",
    "docker": "start it with `chaoslab lab start --docker`",
}
"""What brings the parts that not every lab has."""
"""What a lab has only when it is asked for, and how it is."""


def is_lab_value(value: Any) -> bool:
    """Say whether a value is to be looked up in the lab."""
    return isinstance(value, str) and value.startswith(_PREFIX)


def resolve_lab(values: Mapping[str, Any], *, declared: Mapping[str, Any]) -> dict[str, Any]:
    """Replace the lab's values by what they stand for.

    Who sets one of the file's targets means his own system, so the optional values do not point at the lab then.

    Raises:
        Refused: a value that is needed is not there: no lab is running, or it has no such thing.
    """
    elsewhere = any(not is_lab_value(values.get(name)) for name in declared if _is_required(declared[name]))
    wanted = {name: value for name, value in values.items() if is_lab_value(value)}
    lab = _status() if any(not (_is_optional(value) and elsewhere) for value in wanted.values()) else None
    return {
        name: _look_up(name, value, None if elsewhere and _is_optional(value) else lab) if name in wanted else value
        for name, value in values.items()
    }


def _look_up(name: str, value: str, lab: Mapping[str, Any] | None) -> Any:
    path = value.removeprefix(_PREFIX).removesuffix("?")
    found: Any = lab
    for part in path.split("."):
        found = _child(found, part)
    if found is not None:
        return found
    if _is_optional(value):
        return ""
    if lab is None:
        reason = f"no lab is running; start one with `chaoslab lab start`, or set --var {name}=..."
    else:
        remedy = _REMEDIES.get(path.partition(".")[0])
        reason = f"the lab that is running has no {path}; {remedy + ', or ' if remedy else ''}set --var {name}=..."
    raise Refused("lab", reason)


def _child(parent: Any, key: str) -> Any:
    if isinstance(parent, Mapping):
        return parent.get(key)
    if isinstance(parent, list) and key.isdigit() and int(key) < len(parent):
        return parent[int(key)]
    return None


def _is_optional(value: str) -> bool:
    return value.endswith("?")


def _is_required(declared: Any) -> bool:
    """Say whether the file, left to itself, needs the lab for a variable."""
    if isinstance(declared, Mapping) and declared.get("type") == "env":
        declared = declared.get("default")
    return is_lab_value(declared) and not _is_optional(declared)


def _status() -> Mapping[str, Any] | None:
    """Return what the running lab says of itself, or None. The lab's module is only loaded by who needs it."""
    import chaoslab.lab

    status = chaoslab.lab.status()
    return None if status.get("state") == "stopped" else status
