"""Variables: what `--var` and `--var-file` set in a file's configuration, and what its values come to.

As in `chaos run`, with two differences: a name that the file does not have is an error, not ignored; and a
value without a type (`key=value`) gets the type of the file's own value instead of always being text.
"""

import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml
from chaoslib import convert_to_type, substitute
from chaoslib.configuration import load_configuration
from chaoslib.exceptions import ChaosException
from chaoslib.secret import load_secrets

from chaoslab.core.errors import BadUsage, Missing
from chaoslab.core.suggest import hint_for
from chaoslab.engine.labvalues import resolve_lab
from chaoslab.engine.variable_files import read_variables
from chaoslab.runtime.secrets import Secrets

_PAIR = re.compile(r"(?P<name>[^:=]+)(?::(?P<type>\w+))?=(?P<text>.*)", re.DOTALL)
_SECRETIVE = re.compile(r"(pass(word|wd|phrase)?|secret|token|credentials?|(api|private)_?key)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Given:
    """What the user set: nothing is looked up yet."""

    pairs: tuple[str, ...] = ()
    """`key=value` or `key:type=value`, as after `--var`."""
    configuration: Mapping[str, Any] = field(default_factory=dict)
    """From files; `pairs` win over it."""
    secrets: Mapping[str, Any] = field(default_factory=dict)
    files: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Variables:
    """What a file's configuration comes to."""

    configuration: Mapping[str, Any]
    """Every value that is known before the run begins."""
    dynamic: tuple[str, ...]
    """The names whose values a probe finds when the run begins."""
    secrets: Mapping[str, Any]
    """The resolved secrets, by group."""
    given_secrets: Mapping[str, Any]
    """The groups that came from files, for the engine."""
    files: tuple[Path, ...] = ()

    def register(self, secrets: Secrets) -> None:
        """Have every secret among the values masked wherever it would be written."""
        for text in _texts(self.secrets):
            secrets.register(text)
        register_values(self.configuration, secrets)


def given_of(pairs: Sequence[str] = (), files: Sequence[Path] = ()) -> Given:
    """Read what `--var` and `--var-file` say; a `.env` file sets the environment of this process.

    Raises:
        BadFile: a file does not hold what such a file holds.
        BadUsage: a file cannot be read.
    """
    configuration: dict[str, Any] = {}
    secrets: dict[str, Any] = {}
    for file in files:
        data = read_variables(file)
        configuration.update(data.get("configuration") or {})
        secrets.update(data.get("secrets") or {})
    return Given(tuple(pairs), configuration, secrets, tuple(files))


def resolve(declared: Mapping[str, Any], given: Given, *, secrets: Mapping[str, Any] | None = None) -> Variables:
    """Return what a file's `configuration` and `secrets` come to under what the user set.

    Raises:
        BadUsage: an unknown name, a value of the wrong type, or an environment variable that is not set.
        Refused: a value comes from the lab, and no lab is running.
        Missing: secrets are in a vault, and its client is not installed.
    """
    wanted = {**_known(given.configuration, declared), **_typed(given.pairs, declared)}
    _known_secrets(given.secrets, secrets or {})
    _need_client_of_vault(secrets or {}, given.secrets)
    try:
        # The engine changes what it is given, so it gets copies.
        loaded = load_configuration(deepcopy(dict(declared)), deepcopy(wanted))
    except (ChaosException, ValueError, TypeError) as error:
        raise BadUsage(f"{error}; set it in the environment, or with --var") from error
    try:
        known = load_secrets(deepcopy(dict(secrets or {})), loaded, dict(given.secrets))
    except (ChaosException, ValueError, TypeError) as error:
        raise BadUsage(f"{error}; set it in the environment, or in a --var-file") from error
    dynamic = tuple(name for name, value in loaded.items() if _is_dynamic(value))
    static = {name: value for name, value in loaded.items() if name not in dynamic}
    return Variables(
        configuration=resolve_lab(static, declared=declared),
        dynamic=dynamic,
        secrets=known,
        given_secrets=given.secrets,
        files=given.files,
    )


def filled(value: Any, variables: Variables) -> Any:
    """Return a value of the file with its `${names}` replaced, as the engine will do it."""
    return substitute(value, dict(variables.configuration), dict(variables.secrets))


def register_values(configuration: Mapping[str, Any], secrets: Secrets) -> None:
    """Have passwords inside connection strings masked, and values whose name says that they are secret."""
    for name, value in configuration.items():
        for text in _texts(value):
            secrets.register_dsn(text)
        if isinstance(value, str) and value and _SECRETIVE.search(name):
            secrets.register(value)


def secrets_of_files(files: Sequence[str]) -> dict[str, Any]:
    """Return the secrets that variable files hold.

    Raises:
        BadUsage: a file cannot be read any more.
    """
    return dict(given_of((), [Path(file) for file in files]).secrets)


def _typed(pairs: Sequence[str], declared: Mapping[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for pair in pairs:
        match = _PAIR.fullmatch(pair)
        if match is None:
            raise BadUsage(f"--var {pair}: write key=value or key:type=value")
        name, kind, text = match["name"].strip(), match["type"], match["text"]
        _known({name: text}, declared)
        values[name] = _convert(name, kind, text, declared[name])
    return values


def _convert(name: str, kind: str | None, text: str, declared: Any) -> Any:
    """Convert the text of `--var` to the type that was named, else to that of the file's own value."""
    if kind is None and isinstance(declared, dict) and declared.get("type") == "env":
        kind = declared.get("env_var_type")
    try:
        if kind is not None:
            return convert_to_type(kind, text)
        if declared is None or isinstance(declared, str | dict):
            return text
        value = yaml.safe_load(text)
    except (ValueError, TypeError, yaml.YAMLError) as error:
        raise BadUsage(f"--var {name}: {error}") from error
    if isinstance(declared, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not type(declared):
        raise BadUsage(f"--var {name}={text}: the file has {declared!r} there, so a value of that type is needed")
    return value


def _known(values: Mapping[str, Any], declared: Mapping[str, Any]) -> Mapping[str, Any]:
    for name in values:
        if name not in declared:
            hint = hint_for(name, declared) if declared else "it has no configuration"
            raise BadUsage(f"the file has no variable '{name}'; {hint}".rstrip("; "))
    return values


def _known_secrets(given: Mapping[str, Any], declared: Mapping[str, Any]) -> None:
    """Refuse secrets that the file has no use for: the password that was meant would be missing without a word."""
    for group, values in given.items():
        if group not in declared:
            none = "it declares none; variables go under `configuration`"
            hint = hint_for(group, declared) if declared else none
            raise BadUsage(f"the file has no secrets '{group}'; {hint}".rstrip("; "))
        known = declared[group]
        for name in values if isinstance(values, Mapping) and isinstance(known, Mapping) else ():
            if name not in known:
                raise BadUsage(f"the file has no secret '{name}' in '{group}'; {hint_for(name, known)}".rstrip("; "))


def _need_client_of_vault(declared: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Refuse secrets that a vault holds when nothing can ask it: the engine would go on without them.

    Raises:
        Missing: the client of the vault.
    """
    for group, entries in declared.items():
        if group in given or not isinstance(entries, Mapping):
            continue
        asked = [entries, *(value for value in entries.values() if isinstance(value, Mapping))]
        if any(value.get("type") == "vault" for value in asked) and find_spec("hvac") is None:
            remedy = f"pip install 'chaostoolkit-lib[vault]', or give the secrets of '{group}' with --var-file"
            raise Missing("hvac, the client of the vault that holds secrets of the file,", remedy)


def _is_dynamic(value: Any) -> bool:
    return isinstance(value, dict) and value.get("type") == "probe"


def _texts(value: Any) -> list[str]:
    """Return the strings inside a value."""
    if isinstance(value, Mapping):
        return [text for item in value.values() for text in _texts(item)]
    if isinstance(value, list | tuple):
        return [text for item in value for text in _texts(item)]
    return [value] if isinstance(value, str) and value else []
