"""Turn what psql and pg_restore complain about into findings with stable codes. Pure text work."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from chaoslab.postgres.difference import Difference
from chaoslab.postgres.logical.archive import damaged

_TOC_ENTRY = re.compile(r"from TOC entry \d+; \d+ \d+ (?P<what>.+)$")
_ERROR = re.compile(r"(?:error: .*?(?:ERROR|FATAL): +|^psql:.*?(?:ERROR|FATAL): +|error: )(?P<said>.+)$")
_COMMAND = re.compile(r"^Command was: (?P<text>.+)$")
_SQLSTATE = re.compile(r"^(?P<state>[0-9A-Z]{5}): (?P<said>.+)$")
_ROLE = re.compile(r'role "(?P<name>.+?)" does not exist')
_EXTENSION = re.compile(
    r'(?:extension "(?P<name>[^"]+)" is not available|extension control file .*?(?P<file>[^/"]+)\.control)'
)
_VALUE = re.compile(r'(?P<kept>(?:invalid|malformed|out of range|date/time|value)[^"]*:?) ".*', re.IGNORECASE)
"""Messages such as `invalid input syntax for type integer: "..."` quote a row's value."""

_SERVER_GONE = (
    "server closed the connection",
    "terminating connection",
    "the database system is",
    "connection to server",
    "could not connect",
    "no connection to the server",
    "worker process died",
    "lost synchronization",
)
_ARCHIVE_BROKEN = (
    "could not read from input file",
    "could not uncompress",
    "unexpected end of file",
    "end of file",
    "unexpected block ID",
    "unexpected data offset",
    "corrupt",
    "unrecognized data block type",
    "could not find block ID",
    "invalid compression",
    "incorrect data check",
)
_LOCALE = ("invalid locale name", "could not create locale", "does not match locale", "incompatible with locale")
_TOLD_ONCE = {"role-missing", "extension-missing"}
_VIOLATED = ("violates", "could not create unique index", "is violated by some row")


def complaints(messages: str, *, archive: str) -> list[Difference]:
    """Return the findings in what a program wrote; what is missing is told once, however many things need it.

    Args:
        messages: its stderr
        archive: the dump's name, for findings about the dump itself
    """
    told: dict[object, list[Difference]] = {}
    for number, found in enumerate(_each(messages, archive)):
        told.setdefault((found.code, found.where) if found.code in _TOLD_ONCE else number, []).append(found)
    return [
        replace(first, message=f"{first.message} ({len(more)} more need it too)") if more else first
        for first, *more in told.values()
    ]


def _each(messages: str, archive: str) -> Iterator[Difference]:
    """Yield a finding for each error."""
    about, said = "", ""
    for line in messages.splitlines():
        entry, error, command = _TOC_ENTRY.search(line), _ERROR.search(line), _COMMAND.match(line)
        if said and (entry or error or command):
            yield complaint(said, about=about or (_told(command["text"]) if command else ""), archive=archive)
            said = ""
        if entry:
            about = entry["what"]
        elif error and not line.startswith(("HINT", "DETAIL", "CONTEXT")):
            state = _SQLSTATE.match(error["said"])
            said = state["said"] if state else error["said"]
        elif command:
            about = ""
    if said:
        yield complaint(said, about=about, archive=archive)


def _told(command: str) -> str:
    """Return the beginning of a command, without the values that it may hold."""
    return re.split(r"\s+(?:VALUES|AS|USING|FROM|DEFAULT)\b|[=;'(]", command, maxsplit=1)[0].strip()[:100]


def complaint(said: str, *, about: str, archive: str) -> Difference:
    """Return the finding for one error message.

    Args:
        said: the message
        about: the thing that was being restored, as the dump calls it
        archive: the dump's name
    """
    where = about or archive
    role, extension = _ROLE.search(said), _EXTENSION.search(said)
    if any(sign in said for sign in _SERVER_GONE):
        return Difference("scratch-server-died", "scratch server", f"the scratch server went away: {said}")
    if "No space left on device" in said or "could not extend file" in said:
        return Difference("scratch-disk-full", "scratch server", f"the scratch disk is full: {said}")
    if role:
        name = role["name"]
        return Difference("role-missing", name, f"role {name} is needed by {where} and was not restored", kind="roles")
    if extension:
        name = extension["name"] or extension["file"]
        return Difference("extension-missing", name, f"extension {name} is not installed for the scratch server")
    if any(sign in said for sign in _ARCHIVE_BROKEN):
        return damaged(archive, f"error: {said}")
    if any(sign in said for sign in _LOCALE):
        return Difference("locale-missing", where, f"the scratch server's system lacks a locale: {said}")
    if any(sign in said for sign in _VIOLATED):
        return Difference("constraint-violated", where, f"{where} does not hold for the restored rows: {said}")
    return Difference("restore-error", where, f"{where} could not be restored: {without_values(said)}")


def without_values(said: str) -> str:
    """Return a message without the row's value that it may quote."""
    return _VALUE.sub(r"\g<kept> (value not shown)", said)
