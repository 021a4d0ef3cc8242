"""Barman's configuration, and one of our own made from it by which Barman changes nothing of anybody's.

`barman recover` first moves what waits in the folders of incoming WAL into the archive, takes locks beside the
backups, writes its log there and runs the hooks of the configuration; `barman get-wal` unpacks in the archive. Under
ours the incoming folders, the locks, the log and what is unpacked are in a folder of the run's, there are no hooks, and
the original server cannot be reached.
"""

from __future__ import annotations

import configparser
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from chaoslab.postgres.difference import Difference
from chaoslab.postgres.physical.repository import RepositoryFailed

PLACES = ("~/.barman.conf", "/etc/barman.conf", "/etc/barman/barman.conf")
"""Where Barman looks, in its order."""
LINKS = "wals"
"""The folder of links to the archive's folders, in the folder of the run's."""
_GLOBAL = "barman"
_QUOTED = re.compile(r"""^(["'])(.*)\1$""")
_NOWHERE = "host=/nonexistent dbname=postgres"
_HOOK = re.compile(r"^(?:pre|post)_.*_script$")
_OF_THE_ORIGINAL = ("primary_conninfo", "primary_ssh_command", "ssh_command", "create_slot", "recovery_options")


@dataclass(frozen=True, slots=True)
class BarmanConfig:
    """What the configuration says about one server."""

    server: str
    user: str
    """Who runs Barman, and owns what it keeps."""
    common: Mapping[str, str]
    """The section [barman], as written."""
    own: Mapping[str, str]
    """The server's section, as written."""
    backup_directory: Path
    base_directory: Path
    wals_directory: Path
    incoming: tuple[Path, ...]
    """Where WAL waits until Barman archives it."""

    def looking(self, work: Path) -> str:
        """Return the text of a configuration for looking."""
        return self._written(work, {})

    def fetching(self, work: Path) -> str:
        """Return the text of a configuration for `barman get-wal`, which unpacks beside the archive's folders."""
        return self._written(work, {"wals_directory": LINKS})

    def restoring(self, work: Path) -> str:
        """Return the text of a configuration for `barman recover`, which archives nothing."""
        return self._written(work, {"incoming_wals_directory": "incoming", "streaming_wals_directory": "streaming"})

    def _written(self, work: Path, moved: Mapping[str, str]) -> str:
        common = _without_hooks(self.common)
        place = str(work).replace("%", "%%")  # Barman takes a % for the beginning of a name
        common.update(barman_lock_directory=place, log_file=f"{place}/barman.log", configuration_files_directory="")
        own = _without_hooks(self.own)
        own.update(conninfo=_NOWHERE, streaming_conninfo=_NOWHERE, recovery_staging_path=f"{place}/staging")
        own.update({name: f"{place}/{folder}" for name, folder in moved.items()})
        parser = configparser.RawConfigParser(strict=False)
        parser.read_dict({_GLOBAL: common, self.server: own})
        text = io.StringIO()
        parser.write(text)
        return text.getvalue()


def read_config(path: str, server: str) -> BarmanConfig:
    """Read what Barman's configuration says about a server.

    Args:
        path: the file; '' for Barman's own places
        server: its name in it

    Raises:
        RepositoryFailed: there is no configuration, it cannot be read, or it does not know the server.
    """
    file = _file(path)
    parser = configparser.ConfigParser(strict=False)
    try:
        parser.read_string(file.read_text())
        folder = _value(parser, _GLOBAL, "configuration_files_directory")
        for more in sorted(Path(folder).expanduser().glob("*.conf")) if folder else ():
            parser.read_string(more.read_text())
        if server == _GLOBAL or not parser.has_section(server):
            known = ", ".join(name for name in parser.sections() if name != _GLOBAL) or "none"
            raise _broken("stanza-missing", f"{file} knows no server {server}; it knows {known}")
        return _described(parser, server)
    except OSError as broken:
        raise _broken("repository-unreadable", f"{broken.filename} cannot be read: {broken.strerror}") from None
    except (configparser.Error, UnicodeDecodeError) as broken:
        said = str(broken).splitlines()[0]
        raise _broken("repository-config-missing", f"{file} is no configuration of Barman's: {said}") from None


def _file(path: str) -> Path:
    for place in [path] if path else PLACES:
        file = Path(place).expanduser()
        if file.exists():
            return file
    where = path or ", ".join(PLACES)
    raise _broken("repository-config-missing", f"there is no configuration of Barman's: {where}")


def _described(parser: configparser.ConfigParser, server: str) -> BarmanConfig:
    home = _value(parser, _GLOBAL, "barman_home") or "/var/lib/barman"
    known = {"barman_home": home, "name": server}

    def place(name: str, default: Path) -> Path:
        given = _value(parser, server, name, known) or _value(parser, _GLOBAL, name, known)
        return Path(given) if given else default

    backups = place("backup_directory", Path(home) / server)
    return BarmanConfig(
        server=server,
        user=_value(parser, _GLOBAL, "barman_user") or "barman",
        common=dict(parser.items(_GLOBAL, raw=True)) if parser.has_section(_GLOBAL) else {},
        own=dict(parser.items(server, raw=True)),
        backup_directory=backups,
        base_directory=place("basebackups_directory", backups / "base"),
        wals_directory=place("wals_directory", backups / "wals"),
        incoming=(
            place("incoming_wals_directory", backups / "incoming"),
            place("streaming_wals_directory", backups / "streaming"),
        ),
    )


def _value(parser: configparser.ConfigParser, section: str, name: str, known: Mapping[str, str] | None = None) -> str:
    """Return a value as Barman understands it: interpolated, without quotes; '' when it is not there."""
    value = parser.get(section, name, vars=dict(known or {}), fallback="")
    bare = _QUOTED.sub(lambda match: match[2], value)
    return "" if bare.lower() == "none" else bare


def _without_hooks(section: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in section.items() if not _HOOK.match(name) and name not in _OF_THE_ORIGINAL}


def _broken(code: str, message: str) -> RepositoryFailed:
    return RepositoryFailed(message, [Difference(code, "barman", message)])
