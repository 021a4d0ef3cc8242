"""Do the arguments of a step fit its function? Judged by its annotations, before anything is looked at or touched.

A file gives what YAML or JSON makes of it: a number where a name was meant, nothing, a list. `--var` gives text.
"""

import inspect
import math
import re
import types
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, TypeAliasType, Union, get_args, get_origin, get_type_hints

from chaoslab.core.errors import BadUsage
from chaoslab.core.notes import kind_of
from chaoslab.core.units import parse_duration, shown
from chaoslab.runtime.steps import phase_of, readers_of

_MEASURED = {"ttl", "latency", "jitter", "queue", "wait", "within", "grace", "offset", "duration", "timeout", "stable"}
_MEASURED |= {"last", "size", "floor", "rate", "burst", "memory", "read", "write", "cpus"}
"""Arguments whose text has a unit: a plain number means seconds or bytes, and is left to who reads it."""
_LASTING = {"duration", "timeout", "within", "stable", "last"}
_SWITCHES = {"tree", "database", "supervised"}
"""Arguments that are yes or no, of which YAML makes true and false."""
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
_LINES = "\t\n\r"
"""Control characters that honest text of several lines has."""


def fitted[R](function: Callable[..., R], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments as the function's annotations want them: `8080` as text, `"4711"` as a number.

    Raises:
        BadUsage: one does not fit; names it.
    """
    wanted = _wanted(function)
    return {
        name: _fit(name, value, *wanted[name]) if name in wanted else _plain(name, value)
        for name, value in arguments.items()
    }


def check_arguments(function: Callable[..., Any], arguments: Mapping[str, Any]) -> None:
    """Read the arguments of a step that are known already, as it will do itself when its turn comes.

    Raises:
        BadUsage: one does not fit, or makes no sense; names it.
    """
    fitted(inspect.unwrap(function), arguments)
    for name in (_LASTING & arguments.keys()) if phase_of(function) else ():
        try:
            parse_duration(arguments[name])
        except ValueError as error:
            raise BadUsage(f"{name}: {error}") from error
    for name, read in readers_of(function).items():
        if name in arguments:
            read(name, arguments[name])


def signature_of(function: Callable[..., Any], *, eval_str: bool = False) -> inspect.Signature:
    """Return a function's signature, with the keys of a `**where: Unpack[Where]` as arguments of their own.

    Raises:
        ValueError: it is written in C, and has none.
    """
    signature = inspect.signature(function, eval_str=eval_str)
    found: list[inspect.Parameter] = []
    for one in signature.parameters.values():
        unpacked = get_args(one.annotation) if one.kind is one.VAR_KEYWORD else ()
        hints = {key: hint for keys in unpacked for key, hint in get_type_hints(keys).items()}
        keys = [one.replace(name=key, kind=one.KEYWORD_ONLY, default=None, annotation=hints[key]) for key in hints]
        found += keys or [one]
    return signature.replace(parameters=found)


@cache
def _wanted(function: Callable[..., Any]) -> dict[str, tuple[Any, Any]]:
    """Return each parameter's annotation and default."""
    parameters = signature_of(function, eval_str=True).parameters.values()
    return {one.name: (one.annotation, one.default) for one in parameters if one.kind is not one.VAR_KEYWORD}


def _fit(name: str, value: Any, annotation: Any, default: Any) -> Any:
    kinds = _kinds(annotation)
    if Any in kinds:
        return _plain(name, value)
    match value:
        case bool():
            fits = bool in kinds or (str in kinds and name in _SWITCHES)
        case str():
            return _fit_text(name, value, kinds, default)
        case int() if int not in kinds and float not in kinds and str in kinds and name not in _MEASURED:
            return str(value) if abs(value) < 10**18 else _refuse(name, value, kinds)
        case int():
            fits = int in kinds or float in kinds or name in _MEASURED
        case float():
            fits = math.isfinite(value) and (float in kinds or (str in kinds and name in _MEASURED))
        case list() | tuple():
            inner = tuple(arg for kind in kinds for arg in _items(kind))
            fits = bool(inner) or list in kinds
            if fits and inner:
                return [_fit(name, item, Union[inner], None) for item in value]  # noqa: UP007 - made while it runs
        case Mapping():
            fits = any(_is_mapping(kind) for kind in kinds)
        case _:
            fits = value is None and type(None) in kinds
    return _plain(name, value) if fits else _refuse(name, value, kinds)


def _fit_text(name: str, value: str, kinds: tuple[Any, ...], default: Any) -> Any:
    if str in kinds:
        return _plain(name, value)
    text = value.strip()
    if int in kinds and not text and isinstance(default, int):
        return default  # an empty variable: nothing is meant
    if int in kinds and _WHOLE.fullmatch(text):
        return int(text)
    return value if float in kinds else _refuse(name, value, kinds)


def _plain(name: str, value: Any) -> Any:
    """Return a value whose texts can be written down and handed to a program.

    Raises:
        BadUsage: one has a character for which that is not so.
    """
    if isinstance(value, str):
        bad = [c for c in value if not c.isprintable() and (ord(c) < 32 or 127 <= ord(c) < 160) and c not in _LINES]
        bad += [c for c in value if 0xD800 <= ord(c) <= 0xDFFF]
        if bad:
            raise BadUsage(f"{name}: {shown(value)} has the character U+{ord(bad[0]):04X}, which no name has")
    elif isinstance(value, Mapping):
        return {_plain(name, key): _plain(name, item) for key, item in value.items()}
    elif isinstance(value, list | tuple):
        return [_plain(name, item) for item in value]
    return value


def _refuse(name: str, value: Any, kinds: tuple[Any, ...]) -> Any:
    is_mapping, is_list = any(map(_is_mapping, kinds)), any(map(_items, kinds))
    words = [(str in kinds, "text"), (int in kinds or float in kinds, "a number"), (bool in kinds, "yes or no")]
    words += [(is_list, "a list"), (is_mapping, "a mapping")]
    told = " or ".join(word for fits, word in words if fits) or "left out"
    given = f"the text {shown(value)}" if isinstance(value, str) else kind_of(value)
    raise BadUsage(f"{name}: must be {told}, and is {given}")


def _kinds(annotation: Any) -> tuple[Any, ...]:
    """Return the alternatives of an annotation."""
    if isinstance(annotation, TypeAliasType):
        return _kinds(annotation.__value__)
    if get_origin(annotation) in {Union, types.UnionType}:
        return tuple(kind for one in get_args(annotation) for kind in _kinds(one))
    return (annotation,) if annotation is not inspect.Parameter.empty else (Any,)


def _items(kind: Any) -> tuple[Any, ...]:
    return get_args(kind) if get_origin(kind) in {list, tuple, Sequence} else ()


def _is_mapping(kind: Any) -> bool:
    origin = get_origin(kind) or kind
    return isinstance(origin, type) and issubclass(origin, Mapping)
