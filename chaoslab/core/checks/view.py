"""A file as the rules look at it: its steps with what is known of them, and the values that stand in it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from chaoslab.core.checks.known import Effect, Known, known_command, known_function, known_request
from chaoslab.core.positions import Path
from chaoslab.core.references import references_in
from chaoslab.core.spec import Spec
from chaoslab.core.toolkit import HYPOTHESIS, steps_of

_OURS = "chaoslab."
_PARTS = re.compile(r"[;&|\n]")
_REFERENCE = re.compile(r"\$\{(\w+)\}", re.ASCII)


@dataclass(frozen=True)
class Step:
    """One step, with the step that it refers to already put in its place."""

    path: Path
    data: Mapping[str, Any]
    declared: Mapping[str, Any]
    """What stands there: `ref: NAME` where the step is another one."""

    @property
    def name(self) -> str:
        return str(self.declared.get("name") or self.declared.get("ref") or "")

    @property
    def type(self) -> str:
        return str(self.data.get("type"))

    @cached_property
    def provider(self) -> Mapping[str, Any]:
        provider = self.data.get("provider")
        return provider if isinstance(provider, dict) else {}

    @property
    def kind(self) -> str:
        """Return python, process or http."""
        return str(self.provider.get("type"))

    @property
    def provider_path(self) -> Path:
        return self.path if "ref" in self.declared else (*self.path, "provider")

    @cached_property
    def function(self) -> str:
        """Return the full name of a Python function; '' for the rest."""
        return f"{self.provider.get('module')}.{self.provider.get('func')}" if self.kind == "python" else ""

    @property
    def is_ours(self) -> bool:
        return self.function.startswith(_OURS)

    @cached_property
    def arguments(self) -> Mapping[str, Any]:
        arguments = self.provider.get("arguments")
        return arguments if isinstance(arguments, dict) else {}

    @cached_property
    def command(self) -> str:
        """Return the command line of a process, as a person would type it."""
        if self.kind != "process":
            return ""
        return " ".join([str(self.provider.get("path")), *_words(self.provider.get("arguments"))])

    @cached_property
    def known(self) -> Known | None:
        """Return what is known of what it calls; shells, `docker exec` and the like are looked through."""
        if self.function:
            return known_function(self.function)
        if self.kind == "http":
            return known_request(self.line)
        return known_command(self.command) if self.command else None

    @property
    def line(self) -> str:
        """Return what it calls in one line: the function, the command, or `METHOD url`."""
        return self.function or self.command or f"{self._method} {self.provider.get('url')}"

    @property
    def _method(self) -> str:
        return str(self.provider.get("method") or "GET").upper()

    @property
    def effect(self) -> Effect | None:
        return self.known.effect if self.known else None

    @property
    def told(self) -> str:
        """Say what it calls, for people."""
        return self.function or self.command.partition(" ")[0] or f"{self._method} request"


class View:
    """A whole file."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.document = spec.document
        self.probes = self._steps(HYPOTHESIS, "probes")
        self.method = self._steps("method")
        self.rollbacks = self._steps("rollbacks")

    @property
    def steps(self) -> Iterator[Step]:
        yield from self.probes
        yield from self.method
        yield from self.rollbacks

    @cached_property
    def values(self) -> Mapping[str, Any]:
        """Return what the configuration is known to come to: its own values, and defaults."""
        configuration = self.document.get("configuration")
        found = {}
        for name, value in (configuration if isinstance(configuration, dict) else {}).items():
            if not isinstance(value, dict):
                found[name] = value
            elif value.get("type") == "env" and "default" in value:
                found[name] = value["default"]
        return found

    def filled(self, value: Any) -> Any:
        """Return a value with the references replaced that the file itself answers."""
        if not isinstance(value, str) or "${" not in value:
            return value
        whole = _REFERENCE.fullmatch(value)
        if whole and whole[1] in self.values:
            return self.values[whole[1]]
        return _REFERENCE.sub(lambda match: str(self.values.get(match[1], match[0])), value)

    def is_open(self, value: Any) -> bool:
        """Say whether a value holds references that only the run can answer."""
        return isinstance(value, str) and bool(references_in(str(self.filled(value))))

    @cached_property
    def _named(self) -> Mapping[str, Mapping[str, Any]]:
        steps = [*steps_of(self.document, HYPOTHESIS, "probes"), *steps_of(self.document, "method")]
        return {step["name"]: step for _, step in steps if isinstance(step.get("name"), str)}

    def _steps(self, *section: str) -> tuple[Step, ...]:
        return tuple(
            Step(path, self._named.get(str(step["ref"]), step) if step.get("ref") else step, step)
            for path, step in steps_of(self.document, *section)
        )


def _words(arguments: Any) -> list[str]:
    if isinstance(arguments, str):
        return [arguments]
    if isinstance(arguments, dict):
        return [str(part) for pair in arguments.items() for part in pair if part not in (None, "")]
    listed = arguments if isinstance(arguments, list) else []
    return [_quoted(str(part)) for part in listed if part not in (None, "")]


def _quoted(word: str) -> str:
    """Put one argument of a list into quotes where it holds what parts commands."""
    return f"'{word}'" if _PARTS.search(word) and "'" not in word else word
