"""A real repository of pgBackRest's, made by pgBackRest: three kinds of backups and the WAL between them."""

import os
import shutil

from origin import POINT, Origin

from chaoslab.postgres.programs.commands import run, server_user
from chaoslab.postgres.servers.folders import give
from chaoslab.runtime.clock import CLOCK

KEY = "the key of the lab's repository"
DEADLINE_S = 120


class PgBackRestLab:
    """The original server, the repository, and the folders that its own backups use."""

    def __init__(self, root, binaries, repository=None):
        self.root, self.user = root, server_user()
        self.repository = repository or {"repo1-path": str(self.folder("repo"))}
        for name in ("log", "lock", "spool"):
            self.folder(name)
        self.config = root / "pgbackrest.conf"
        archive = f"pgbackrest --config={self.config} --stanza=main archive-push %p"
        settings = {"archive_mode": "on", "archive_command": archive}
        self.origin = Origin(root, binaries, settings)
        self.write(self.config, {})

    def folder(self, name):
        """Make a folder that the server's user owns."""
        path = self.root / name
        path.mkdir(mode=0o750, exist_ok=True)
        give(path, self.user)
        return path

    def write(self, path, more, stanza=(), without=()):
        """Write a configuration of this repository's, with other or fewer options."""
        known = {
            **self.repository,
            **{f"{name}-path": str(self.root / name) for name in ("log", "lock", "spool")},
            "job-retry": "0",  # what is damaged stays so
            "start-fast": "y",
            "archive-timeout": str(DEADLINE_S),
            **more,
        }
        lines = ["[global]", *(f"{name}={value}" for name, value in known.items() if name not in without)]
        cluster = self.origin.cluster
        lines += ["[main]", f"pg1-path={cluster.data}", f"pg1-port={cluster.port}", *stanza]
        if cluster.socket:
            lines.append(f"pg1-socket-path={cluster.socket}")
        path.write_text("\n".join(lines) + "\n")
        path.chmod(0o640)
        give(path, self.user)
        return path

    def tool(self, *words, config=None):
        """Run pgBackRest as its owner does."""
        command = ["pgbackrest", f"--config={config or self.config}", "--stanza=main", *words]
        secret = {"PGPASSWORD": self.origin.cluster.password}
        return run(command, deadline_s=DEADLINE_S, user=self.user, environment=secret)

    def fill(self, kinds=("full", "diff", "incr")):
        """Make the stanza, one backup of each kind with a word before it, the point, and one word more."""
        self.tool("stanza-create")
        for kind in kinds:
            self.origin.say(kind)
            self.tool("backup", f"--type={kind}")
        self.origin.say("last good")
        self.origin.sql("SELECT pg_create_restore_point(%s)", POINT)
        self.origin.say("disaster")
        self.archived(self.origin.switch())
        return self

    def archived(self, name):
        """Wait until a segment is in the archive."""
        until = CLOCK.mono() + DEADLINE_S
        query = "SELECT coalesce(last_archived_wal, '') >= %s FROM pg_stat_archiver"
        while not self.origin.sql(query, name)[0][0]:
            assert CLOCK.mono() < until, f"{name} was not archived"
            CLOCK.sleep(0.05)

    def copied(self, name):
        """Return a copy of the repository that may be damaged, and a configuration for it."""
        copy = self.root / name
        shutil.copytree(self.root / "repo", copy, copy_function=shutil.copy2)
        for path in [copy, *copy.rglob("*")]:
            give(path, self.user)
        return copy, self.write(self.root / f"{name}.conf", {"repo1-path": str(copy)})

    def stop(self):
        """Stop the original server and remove everything."""
        self.origin.cluster.stop("immediate")
        shutil.rmtree(self.root, ignore_errors=True)


def segments(repository):
    """Return the files of WAL segments in a repository on disk, by name."""
    found = (repository / "archive" / "main").rglob("*")
    return {path.name[:24]: path for path in sorted(found) if path.is_file() and "-" in path.name}


def set_back(paths, seconds):
    """Date files as if they had been written so many seconds earlier."""
    for path in paths:
        told = path.stat()
        os.utime(path, (told.st_atime - seconds, told.st_mtime - seconds))
