"""A real repository of Barman's, made by Barman: a backup by pg_basebackup, WAL streamed and archived."""

import pwd
import shutil
from pathlib import Path

from origin import POINT, Origin

from chaoslab.postgres.physical.programs import asked
from chaoslab.postgres.programs.commands import ServerUser
from chaoslab.postgres.servers.folders import give, write_private
from chaoslab.runtime.clock import CLOCK

DEADLINE_S = 120
HOOK = "/bin/touch {root}/hook-was-run"


class BarmanLab:
    """The original server and Barman's home, kept by Barman's own user."""

    def __init__(self, root, binaries):
        entry = pwd.getpwnam("barman")
        self.root, self.user = root, ServerUser("barman", entry.pw_uid, entry.pw_gid, (entry.pw_gid,))
        self.home = root / "home"
        self.home.mkdir(mode=0o700)
        give(self.home, self.user)
        self.config = root / "barman.conf"
        self.waiting = self.home / "main" / "incoming"
        arriving = root / "arriving"
        arriving.mkdir()
        arriving.chmod(0o777)
        archive = f"cp %p {arriving}/%f && chmod 644 {arriving}/%f && mv {arriving}/%f {self.waiting}/%f"
        self.origin = Origin(root, binaries, {"archive_mode": "on", "archive_command": "false"})
        self._write(binaries)
        self.tool("check", "main", may_fail=True)  # makes its folders
        for folder in (self.home, self.home / "main", self.waiting):
            folder.chmod(0o711)
        self.waiting.chmod(0o777)  # the server's user puts its WAL here; in life, ssh or barman-wal-archive does
        self.origin.cluster.configure({"archive_command": archive})
        self.origin.sql("SELECT pg_reload_conf()")

    def _write(self, binaries):
        cluster = self.origin.cluster
        secret = self.root / "pgpass"
        write_private(secret, f"127.0.0.1:*:*:*:{cluster.password}\n", self.user)
        reach = f"host=127.0.0.1 port={cluster.port} user={cluster.superuser} passfile={secret}"
        servers = self.root / "barman.d"
        servers.mkdir()
        lines = [
            "[main]",
            'description = "The lab\'s"',
            f"conninfo = {reach} dbname=postgres",
            f"streaming_conninfo = {reach}",
            "backup_method = postgres",
            "archiver = on",
            "compression = gzip",
            f"path_prefix = {binaries.bin}",
            f"pre_recovery_script = {HOOK.format(root=self.home)}",
            "recovery_options = 'get-wal'",
        ]
        (servers / "main.conf").write_text("\n".join(lines) + "\n")
        common = [
            "[barman]",
            "barman_user = barman",
            f"configuration_files_directory = {servers}",
            f"barman_home = {self.home}",
            f"log_file = {self.home}/barman.log",
        ]
        self.config.write_text("\n".join(common) + "\n")

    def tool(self, *words, may_fail=False):
        """Run Barman as its owner does."""
        command = ["barman", "-c", self.config, *words]
        answer = asked(command, user=self.user, deadline_s=DEADLINE_S)
        assert may_fail or answer.status == 0, answer
        return answer.output

    def fill(self):
        """Take a backup with a word before it; then the point, and one word more, archived but not yet taken in."""
        self.origin.say("full")
        self.origin.switch()
        self.tool("archive-wal", "main")
        self.tool("backup", "main")
        self.origin.say("last good")
        self.taken_in(self.origin.switch())
        self.origin.sql("SELECT pg_create_restore_point(%s)", POINT)
        self.origin.say("disaster")
        self.arrived(self.origin.switch())
        return self

    def arrived(self, name):
        """Wait until a segment waits for Barman."""
        until = CLOCK.mono() + DEADLINE_S
        while not (self.waiting / name).exists():
            assert CLOCK.mono() < until, f"{name} did not arrive"
            CLOCK.sleep(0.05)

    def taken_in(self, name):
        """Have Barman archive a segment."""
        self.arrived(name)
        self.tool("archive-wal", "main")

    def copied(self, name):
        """Return a copy of Barman's home that may be damaged, and a configuration for it."""
        copy = self.root / name
        shutil.copytree(self.home, copy, copy_function=shutil.copy2)
        for path in [copy, *copy.rglob("*")]:
            give(path, self.user)
        config = self.root / f"{name}.conf"
        config.write_text(self.config.read_text().replace(str(self.home), str(copy)))
        return copy, config

    def stop(self):
        """Stop the original server and remove everything."""
        self.origin.cluster.stop("immediate")
        shutil.rmtree(self.root, ignore_errors=True)


def segments(home):
    """Return the archived segments in Barman's home, by name."""
    return {path.name: path for path in sorted(Path(home, "main", "wals").glob("*/*")) if len(path.name) == 24}
