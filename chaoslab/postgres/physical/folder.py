"""A repository that is two folders: base backups as pg_basebackup leaves them, and archived WAL."""

from __future__ import annotations

import errno
import os
import shlex
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from chaoslab.core.errors import Missing
from chaoslab.postgres.difference import Difference
from chaoslab.postgres.physical import wal_header
from chaoslab.postgres.physical.backup_manifest import ManifestBroken
from chaoslab.postgres.physical.base_files import BaseFiles, find
from chaoslab.postgres.physical.label import Label, parse_label
from chaoslab.postgres.physical.repository import BaseBackup, RepositoryFailed, WalFile
from chaoslab.postgres.physical.wal import format_lsn
from chaoslab.postgres.programs.binaries import find_binaries
from chaoslab.postgres.programs.commands import PostgresFailed, ServerUser, last_line, server_user
from chaoslab.postgres.programs.tools import running
from chaoslab.postgres.servers.folders import give

_FULL = {errno.ENOSPC, errno.EDQUOT}
PACKED = {".gz": "gzip", ".zst": "zstd", ".lz4": "lz4"}


@dataclass(frozen=True, slots=True)
class FolderRepository:
    """Base backups and archived WAL in plain folders."""

    base: Path
    archive: Path
    bin_dir: str = ""
    """Where pg_combinebackup is, which incremental backups need; '' looks for it."""

    @property
    def name(self) -> str:
        """What people call it."""
        return f"base backups in {self.base}"

    @property
    def user(self) -> ServerUser | None:
        """Who runs the server that is restored from it."""
        return server_user()

    def backups(self) -> list[BaseBackup]:
        """Return the base backups, the oldest first; one without its label begins at 0 and cannot be used.

        Raises:
            RepositoryFailed: a folder cannot be read, or holds no base backup.
        """
        try:
            files = find(self.base)
            ended = self._ended()
            known = {one.label: (one, parse_label(_label_text(one))) for one in files}
        except OSError as broken:
            raise _unreadable(broken) from None
        if not known:
            message = f"{self.base} holds no base backup of pg_basebackup"
            raise RepositoryFailed(message, [Difference("backup-missing", str(self.base), message)])
        found = [self._described(one, label, ended) for one, label in known.values()]
        by_start = {one.start_lsn: one for one in found if one.start_lsn}
        return sorted((_with_needs(one, by_start, known) for one in found), key=lambda one: one.start_lsn)

    def wal(self) -> list[WalFile]:
        """Return the archived files by name; a packed one under the name that the server asks for.

        Raises:
            RepositoryFailed: the folder cannot be read.
        """
        found = []
        try:
            for entry in os.scandir(self.archive):
                if entry.is_file() and not entry.name.startswith("."):
                    stem, suffix = os.path.splitext(entry.name)
                    name = stem if suffix in PACKED else entry.name
                    found.append(WalFile(name, entry.stat().st_size, entry.stat().st_mtime))
        except OSError as broken:
            raise _unreadable(broken) from None
        return sorted(found, key=lambda one: one.name)

    def check(self, backup: BaseBackup, *, deadline_s: float, watch: Callable[[], None]) -> list[Difference]:
        """Say what is wrong with the files of a backup and of those that it builds on, by their manifests."""
        try:
            files = {one.label: one for one in find(self.base)}
            chain = [files[label] for label in (*backup.needs, backup.label)]
            _require_whole(chain)
            return [one for link in chain for one in self._checked(link, backup, deadline_s, watch)]
        except RepositoryFailed as failed:
            return list(failed.differences)
        except OSError as broken:
            return list(_unreadable(broken).differences)

    def restore(
        self, backup: BaseBackup, data: Path, tablespaces: Path, *, deadline_s: float, watch: Callable[[], None]
    ) -> None:
        """Put the files of a backup into an empty data folder, and its tablespaces below another.

        Raises:
            RepositoryFailed: something is damaged or missing, or the disk is full.
        """
        owner = server_user()
        try:
            files = {one.label: one for one in find(self.base)}
            chain = [files[label] for label in (*backup.needs, backup.label)]
            _require_whole(chain)
            if len(chain) == 1:
                chain[0].put(data, tablespaces, owner, watch)
                return
            self._combine(chain, data, tablespaces, major=backup.server_major, deadline_s=deadline_s, watch=watch)
        except OSError as broken:
            raise _not_written(broken, data) from None

    def restore_command(self) -> str:
        """Return the command that copies a file out of the archive, unpacked."""
        place = shlex.quote(str(self.archive).replace("%", "%%"))
        cases = [f'if test -e {place}/%f; then cp {place}/%f "%p"']
        cases += [
            f'elif test -e {place}/%f{end}; then {program} -dcq {place}/%f{end} > "%p"'
            for end, program in PACKED.items()
        ]
        return f"{'; '.join(cases)}; else false; fi"

    def _described(self, files: BaseFiles, label: Label | None, ended: Mapping[int, Label]) -> BaseBackup:
        try:
            manifest = files.manifest()
        except ManifestBroken:
            manifest = None
        after = ended.get(label.start_lsn) if label else None
        stops = [end for _, _, end in manifest.wal] if manifest else []
        header = wal_header.first_in(self.archive)
        return BaseBackup(
            label=files.label,
            kind="incremental" if label and label.from_lsn is not None else "full",
            started_at=label.started_at if label else 0.0,
            ended_at=after.ended_at if after else 0.0,
            start_lsn=label.start_lsn if label else 0,
            stop_lsn=max(stops, default=after.stop_lsn or 0 if after else 0),
            timeline=label.timeline if label else 0,
            system_identifier=(manifest and manifest.system_identifier) or files.system_identifier(),
            server_major=_major(files, header.major if header else 0),
            bytes=files.size_bytes,
        )

    def _checked(
        self, files: BaseFiles, backup: BaseBackup, deadline_s: float, watch: Callable[[], None]
    ) -> list[Difference]:
        if parse_label(_label_text(files)) is None:
            message = f"{files.label} has no backup_label: it is a copy of a data folder, recovery from it is not safe"
            return [Difference("backup-label-missing", files.label, message)]
        if files.form == "plain" and self._verified(files.folder, backup, deadline_s, watch):
            return []
        return files.check(watch)

    def _verified(self, folder: Path, backup: BaseBackup, deadline_s: float, watch: Callable[[], None]) -> bool:
        """Return whether pg_verifybackup finds a plain backup whole: it is fast where we are slow, when it works."""
        try:
            program = find_binaries(backup.server_major, self.bin_dir).program("pg_verifybackup")
            with running([program, "--no-parse-wal", "--exit-on-error", "--quiet", folder]) as verifying:
                return verifying.wait(deadline_s, watch).status == 0
        except (Missing, PostgresFailed):
            return False

    def _ended(self) -> dict[int, Label]:
        """Return what the archive notes about the ends of base backups, by where they began."""
        notes = [parse_label(path.read_text()) for path in self.archive.glob("*.backup")]
        return {note.start_lsn: note for note in notes if note}

    def _combine(
        self,
        chain: list[BaseFiles],
        data: Path,
        tablespaces: Path,
        *,
        major: int,
        deadline_s: float,
        watch: Callable[[], None],
    ) -> None:
        """Have pg_combinebackup make one backup of a chain."""
        program = find_binaries(max(17, major), self.bin_dir).program("pg_combinebackup")
        work = tablespaces / ".chain"
        work.mkdir(mode=0o700)
        try:
            folders = [_as_plain(one, work, watch) for one in chain]
            _require_no_tablespaces(folders[-1], chain[-1].label)
            command: list[str | Path] = [program, *folders, "-o", work / "whole", "--no-sync"]
            with running(command) as combining:
                ended = combining.wait(deadline_s, watch)
            if ended.status != 0:
                message = f"pg_combinebackup could not join {', '.join(one.label for one in chain)}: "
                message += last_line(ended.messages)
                raise RepositoryFailed(message, [Difference("backup-chain-broken", chain[-1].label, message)])
            _take_over(work / "whole", data)
        finally:
            shutil.rmtree(work, ignore_errors=True)


def _require_whole(chain: list[BaseFiles]) -> None:
    """Refuse a chain that does not begin with a full backup."""
    first = parse_label(_label_text(chain[0]))
    if first is not None and first.from_lsn is not None:
        message = (
            f"{chain[0].label} builds on a backup that began at {format_lsn(first.from_lsn)}, and that one is gone"
        )
        raise RepositoryFailed(message, [Difference("backup-chain-broken", chain[-1].label, message)])


def _label_text(files: BaseFiles) -> str:
    return files.read({"backup_label"}).get("backup_label", b"").decode(errors="replace")


def _major(files: BaseFiles, by_wal: int) -> int:
    """Return the server's major version; the WAL tells it without unpacking a tar file to wherever PG_VERSION is."""
    if files.form == "tar" and by_wal:
        return by_wal
    return int(files.read({"PG_VERSION"}).get("PG_VERSION", b"0").split(b".")[0])


def _with_needs(
    backup: BaseBackup, by_start: Mapping[int, BaseBackup], known: Mapping[str, tuple[BaseFiles, Label | None]]
) -> BaseBackup:
    """Return it with the labels of what it builds on, the oldest first; what is gone is named by its LSN."""
    needs: list[str] = []
    label = known[backup.label][1]
    while label is not None and label.from_lsn is not None:
        parent = by_start.get(label.from_lsn)
        if parent is None or parent.label in needs:
            break
        needs.insert(0, parent.label)
        label = known[parent.label][1]
    return replace(backup, needs=tuple(needs))


def _as_plain(files: BaseFiles, work: Path, watch: Callable[[], None]) -> Path:
    if files.form == "plain":
        return files.folder
    target = work / files.label
    target.mkdir(mode=0o700)
    files.put(target, work, None, watch)
    manifest = files.folder / "backup_manifest"
    if manifest.exists():
        shutil.copyfile(manifest, target / manifest.name)
    return target


def _require_no_tablespaces(folder: Path, label: str) -> None:
    links = folder / "pg_tblspc"
    if links.is_dir() and any(links.iterdir()):
        message = f"{label} is incremental and has tablespaces: joining those is not supported"
        raise RepositoryFailed(message, [Difference("backup-not-supported", label, message)])


def _take_over(whole: Path, data: Path) -> None:
    """Move what was joined into the data folder, and give it to the server's user."""
    owner = server_user()
    for entry in whole.iterdir():
        entry.rename(data / entry.name)
    if owner is not None:
        for here, folders, names in os.walk(data):
            for name in (*folders, *names):
                give(Path(here, name), owner)


def _unreadable(broken: OSError) -> RepositoryFailed:
    message = f"{broken.filename} cannot be read: {broken.strerror}"
    return RepositoryFailed(message, [Difference("repository-unreadable", str(broken.filename), message)])


def _not_written(broken: OSError, data: Path) -> RepositoryFailed:
    if broken.errno in _FULL:
        message = f"the disk of {data} is full: the backup does not fit"
        return RepositoryFailed(message, [Difference("scratch-disk-full", str(data), message)])
    return _unreadable(broken)
