"""A server of our own: made, started, stopped and removed by whoever knows its folder."""

import os
import pwd
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from waiting import until

from chaoslab.postgres.programs.commands import PostgresFailed, ServerUser, run
from chaoslab.postgres.servers import cluster as cluster_module
from chaoslab.postgres.servers import postmaster
from chaoslab.postgres.servers.cluster import Cluster

FAST = {"fsync": "off", "shared_buffers": "8MB"}


@pytest.fixture
def cluster(passable, binaries):
    made = Cluster.create(passable / "server", binaries, settings=FAST)
    yield made
    postmaster.destroy(made.folder)


def ask(dsn, query="SELECT 1"):
    with psycopg.connect(dsn, connect_timeout=60) as connection:
        return connection.execute(query).fetchone()[0]


def test_it_starts_and_answers_over_tcp_and_socket(cluster):
    cluster.start()
    assert ask(cluster.dsn(), "SHOW listen_addresses") == "127.0.0.1"
    assert ask(cluster.dsn(), "SHOW server_encoding") == "UTF8"
    keys = {"host": str(cluster.socket), "port": cluster.port, "user": "postgres", "dbname": "postgres"}
    with psycopg.connect(**keys, password=cluster.password) as connection:
        assert connection.execute("SHOW fsync").fetchone() == ("off",)


def test_nobody_gets_in_without_the_password(cluster):
    cluster.start()
    for dsn in (cluster.dsn().replace(cluster.password, "guess"), cluster.dsn(user="postgres")):
        with pytest.raises(psycopg.OperationalError, match="password"):
            ask(dsn)
    assert cluster.password not in repr(cluster)
    assert (cluster.folder / "cluster.json").stat().st_mode & 0o077 == 0


def test_starting_and_stopping_twice_is_harmless(cluster):
    cluster.start()
    pid = cluster.pid()
    cluster.start()
    assert cluster.pid() == pid
    cluster.stop()
    cluster.stop()
    assert cluster.pid() is None
    cluster.start()
    assert ask(cluster.dsn()) == 1


def test_the_folder_alone_is_enough_to_find_stop_and_remove_it(cluster):
    cluster.start()
    assert Cluster.open(cluster.folder) == cluster
    assert postmaster.postmaster(cluster.folder) == cluster.pid()
    code = "import sys; from pathlib import Path; from chaoslab.postgres.servers.postmaster import destroy; "
    code += "destroy(Path(sys.argv[1])); destroy(Path(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", code, cluster.folder], check=True, timeout=120)
    assert not cluster.folder.exists()
    with pytest.raises(PostgresFailed, match="holds no server of ours"):
        Cluster.open(cluster.folder)


def test_a_killed_server_starts_again(cluster):
    cluster.start()
    os.kill(cluster.pid(), signal.SIGKILL)
    until(lambda: cluster.pid() is None)
    cluster.start()
    assert ask(cluster.dsn()) == 1


def segments():
    """The id of each segment of shared memory, and the process that made it."""
    return {(row[1], row[4]) for row in map(str.split, Path("/proc/sysvipc/shm").read_text().splitlines()[1:])}


def test_a_killed_server_leaves_no_shared_memory(cluster):
    """Nobody starts it again: what it could not give back goes with its folder."""
    cluster.start()
    pid = cluster.pid()
    named = (cluster.data / "postmaster.pid").read_text().splitlines()[6].split()
    assert (named[1], str(pid)) in segments()
    os.kill(pid, signal.SIGKILL)
    cluster.destroy()
    assert (named[1], str(pid)) not in segments()


def test_the_servers_that_initdb_runs_keep_shared_memory_in_their_folder_too(cluster):
    """They are killed with it, and nobody would look for theirs in /dev/shm."""
    conf = cluster.data / "postgresql.conf"
    conf.write_text(conf.read_text().replace("include 'chaoslab.conf'", ""))
    command = [cluster.bin / "postgres", "-C", "dynamic_shared_memory_type", "-D", cluster.data]
    assert run(command, deadline_s=20.0, user=cluster.user).strip() == "mmap"
    assert not (cluster.folder / "share").exists()


def test_a_paused_server_can_be_stopped(cluster):
    cluster.start()
    os.kill(cluster.pid(), signal.SIGSTOP)
    cluster.stop("immediate")
    assert cluster.pid() is None


def test_the_pid_of_a_stranger_is_neither_believed_nor_signalled(cluster):
    stranger = subprocess.Popen(["sleep", "60"])
    try:
        file = cluster.data / "postmaster.pid"
        file.write_text(f"{stranger.pid}\n{cluster.data}\n1\n1\n\n127.0.0.1\n\nready\n")
        assert cluster.pid() is None
        cluster.stop()
        cluster.start()
        assert ask(cluster.dsn()) == 1
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_port_that_somebody_took_is_replaced(cluster):
    cluster.start()
    cluster.stop()
    old = cluster.port
    with socket.create_server(("127.0.0.1", old)):
        cluster.start()
        assert cluster.port != old
        assert ask(cluster.dsn()) == 1


def test_settings_count_after_a_reload(cluster):
    cluster.start()
    cluster.configure({"work_mem": "7MB", "cluster_name": "it's mine"})
    cluster.reload()
    until(lambda: ask(cluster.dsn(), "SHOW work_mem") == "7MB")
    assert Cluster.open(cluster.folder).settings["work_mem"] == "7MB"


def test_a_wrong_setting_is_one_clear_line(cluster):
    cluster.configure({"no_such_setting": "1"})
    with pytest.raises(PostgresFailed, match=r"did not start: .*(no_such_setting|contains errors)") as caught:
        cluster.start()
    assert "\n" not in str(caught.value)


def test_a_folder_that_holds_something_is_left_alone(passable, binaries):
    (passable / "letter").write_text("keep me")
    with pytest.raises(PostgresFailed, match="is not empty"):
        Cluster.create(passable, binaries)
    with pytest.raises(PostgresFailed, match="'letter', which no server of ours has"):
        postmaster.destroy(passable)
    assert (passable / "letter").read_text() == "keep me"


def test_nothing_is_left_of_a_server_that_could_not_be_made(passable, binaries):
    with pytest.raises(PostgresFailed, match="initdb did not end within"):
        Cluster.create(passable / "server", binaries, deadline_s=0.01)
    assert not (passable / "server").exists()


def test_a_very_deep_folder_has_a_server_without_a_socket(passable, binaries):
    deep = passable.joinpath(*["quite-a-long-name-for-a-folder"] * 4)
    cluster = Cluster.create(deep, binaries, settings=FAST)
    try:
        assert cluster.socket is None
        cluster.start()
        assert ask(cluster.dsn()) == 1
    finally:
        cluster.destroy()


def test_a_strict_umask_is_no_obstacle(passable, binaries):
    before = os.umask(0o077)
    try:
        cluster = Cluster.create(passable / "a" / "b" / "server", binaries, settings=FAST)
    finally:
        os.umask(before)
    try:
        cluster.start()
        assert ask(cluster.dsn()) == 1
    finally:
        cluster.destroy()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root hands the server to another user")
class TestAsRoot:
    def test_an_unprivileged_user_runs_it(self, cluster):
        cluster.start()
        uid = os.stat(f"/proc/{cluster.pid()}").st_uid
        assert uid == cluster.user.uid != 0

    def test_nobody_will_do_where_there_is_no_postgres(self, passable, binaries, monkeypatch):
        nobody = pwd.getpwnam("nobody")
        user = ServerUser("nobody", nobody.pw_uid, nobody.pw_gid, ())
        monkeypatch.setattr(cluster_module, "server_user", lambda: user)
        cluster = Cluster.create(passable / "server", binaries, settings=FAST)
        try:
            cluster.start()
            assert os.stat(f"/proc/{cluster.pid()}").st_uid == nobody.pw_uid
        finally:
            cluster.destroy()

    def test_a_folder_that_the_user_cannot_reach_is_said_so(self, passable, binaries):
        passable.chmod(0o700)
        with pytest.raises(PostgresFailed, match="cannot pass into .*choose another folder"):
            Cluster.create(passable / "server", binaries)
        assert not (passable / "server").exists()
