"""Which rows a role must see, by what the source's catalogs say. Pure: no database.

A role sees a row of a table when one permissive policy for reading lets it, and every restrictive one; all rows when
policies do not bind it, because it is a superuser's, bypasses them, or owns a table that does not force them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from chaoslab.core.errors import BadUsage

_NAME = r'"(?:[^"]|"")+"|[^"\s]+'
_MEMBERSHIP = re.compile(rf"(?P<member>{_NAME}) in (?P<parent>{_NAME})")
_NEXT_SETTING = re.compile(r",(?=\s*[A-Za-z_][\w.]*\s*=)")
_READING = {"select", "all"}
EVERYTHING, NOTHING = "true", "false"


@dataclass(frozen=True, slots=True, order=True)
class Viewer:
    """Somebody who reads: a role, and the settings of the session by which policies tell tenants apart."""

    role: str
    settings: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        """Return it for people."""
        return ", ".join([self.role, *(f"{name}={value}" for name, value in self.settings)])


def parse_viewers(text: str) -> tuple[Viewer, ...]:
    """Read `role, setting=value, ...; role ...`.

    Raises:
        BadUsage: it does not say that.
    """
    return tuple(_viewer(entry.strip()) for entry in text.split(";") if entry.strip())


def _viewer(entry: str) -> Viewer:
    role, *settings = (part.strip() for part in _NEXT_SETTING.split(entry))
    pairs = [setting.partition("=") for setting in settings]
    if not role or "=" in role or "," in role:
        raise BadUsage(f"row_security_as: {entry!r} names no role; write `ROLE, SETTING=VALUE; ROLE ...`")
    return Viewer(role, tuple((name.strip(), value.strip()) for name, _, value in pairs))


class RowSecurity:
    """The policies of a database, as its facts have them."""

    def __init__(self, structure: Mapping[str, Mapping[str, Any]]) -> None:
        """Take the structural facts."""
        self._facts = structure
        self._roles = {_unquoted(name): role for name, role in structure.get("roles", {}).items()}
        self._parents: dict[str, set[str]] = {}
        for name, membership in structure.get("memberships", {}).items():
            if pair := _MEMBERSHIP.fullmatch(name):
                self._inherit(_unquoted(pair["member"]), _unquoted(pair["parent"]), membership)

    def _inherit(self, member: str, parent: str, membership: Mapping[str, Any]) -> None:
        """Note whose rights a role has; before PostgreSQL 16 the role itself says whether it inherits."""
        if membership.get("inherit", self._roles.get(member, {}).get("inherit", True)):
            self._parents.setdefault(member, set()).add(parent)

    def tables(self) -> list[str]:
        """Return the tables whose policies are in force."""
        return sorted(name for name, one in self._facts.get("row_security", {}).items() if one["enabled"])

    def readers(self, table: str) -> list[Viewer]:
        """Return the roles on which the policies of a table bear: those they name, else those that may read it."""
        roles = {role for policy in self._policies(table) for role in policy.get("roles") or ()}
        if "public" in roles:
            roles |= set(self._granted(table))
        if self._facts["row_security"][table].get("forced"):
            roles.add(self._owner(table))
        return [Viewer(role) for role in sorted(roles) if role in self._roles and not self._is_superuser(role)]

    def condition(self, table: str, role: str) -> str:
        """Return in SQL which rows of a table a role must see."""
        if self._is_superuser(role) or self._roles.get(role, {}).get("bypassrls"):
            return EVERYTHING
        acting_as = self._acting_as(role)
        if self._owner(table) in acting_as and not self._facts["row_security"][table].get("forced"):
            return EVERYTHING
        bearing = [one for one in self._policies(table) if {"public", *acting_as} & set(one.get("roles") or ())]
        bearing = [one for one in bearing if one["command"] in _READING]
        letting = [one.get("using", EVERYTHING) for one in bearing if one["permissive"]]
        if not letting:
            return NOTHING
        limiting = [one.get("using", EVERYTHING) for one in bearing if not one["permissive"]]
        if EVERYTHING in letting and not limiting:
            return EVERYTHING
        return " AND ".join([f"({' OR '.join(f'({one})' for one in letting)})", *(f"({one})" for one in limiting)])

    def _is_superuser(self, role: str) -> bool:
        return bool(self._roles.get(role, {}).get("superuser"))

    def _owner(self, table: str) -> str:
        return str(self._facts.get("owners", {}).get(f"table {table}", {}).get("owner", ""))

    def _acting_as(self, role: str) -> set[str]:
        found, new = {role}, [role]
        while new:
            fresh = self._parents.get(new.pop(), set()) - found
            found |= fresh
            new += fresh
        return found

    def _policies(self, table: str) -> Iterator[Mapping[str, Any]]:
        policies = self._facts.get("policies", {})
        return (policies[name] for name in sorted(policies) if re.fullmatch(rf"{re.escape(table)}\.({_NAME})", name))

    def _granted(self, table: str) -> Iterator[str]:
        one = re.compile(rf"select on (?:table {re.escape(table)}|column {re.escape(table)}\.(?:{_NAME})) to ({_NAME})")
        return (_unquoted(found[1]) for name in self._facts.get("grants", {}) if (found := one.fullmatch(name)))


def _unquoted(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name
