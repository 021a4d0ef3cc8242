"""The state of the machine, as far as a fault could leave something in it, and how two such states differ.

Where the kernel allows it, everything is run in namespaces of network, mounts and IPC of its own: what is there, is
ours, and nothing of the machine can be harmed.
"""

import contextlib
import ctypes
import os
import shutil
import subprocess
import time
from pathlib import Path

import torture_daemon as docker

PR_SET_CHILD_SUBREAPER = 36
DEADLINE_S = 20.0
NETWORK = {
    "links": ["ip", "-details", "link", "show"],
    "addresses": ["ip", "address", "show"],
    "routes": ["ip", "route", "show", "table", "all"],
    "qdiscs": ["tc", "qdisc", "show"],
    "classes and filters": [
        "sh",
        "-c",
        "for i in $(ls /sys/class/net); do tc class show dev $i; tc filter show dev $i; done",
    ],
    "nftables": ["nft", "list", "ruleset"],
    "iptables": ["iptables-save"],
    "ip6tables": ["ip6tables-save"],
}
OUTSIDE = {}
"""Files of the namespaces that we came from, for what must not be in ours."""
SHARED = ("/dev/shm", "/dev/mqueue")
SYSV = ("shm", "sem", "msg")


def adopt_orphans():
    """Become the parent of what our descendants leave behind, so that a forgotten process is found among ours."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def enter_namespaces():
    """Move into namespaces of our own; return '' or why the kernel does not allow it."""
    flags = os.CLONE_NEWNET | os.CLONE_NEWNS | os.CLONE_NEWIPC
    uid, gid = os.getuid(), os.getgid()
    OUTSIDE.update(
        {kind: os.open(f"/proc/self/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC) for kind in ("net", "mnt", "ipc")}
    )
    try:
        os.unshare(flags if uid == 0 else flags | os.CLONE_NEWUSER)
        if uid:
            Path("/proc/self/setgroups").write_text("deny")
            Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
            Path("/proc/self/gid_map").write_text(f"0 {gid} 1")
        run(["mount", "--make-rprivate", "/"])
        run(["mount", "-t", "tmpfs", "-o", "mode=1777", "tmpfs", "/dev/shm"])
        run(["ip", "link", "set", "lo", "up"])
    except (OSError, subprocess.SubprocessError) as error:
        return f"no namespaces of our own here: {error}"
    return ""


def outside(command):
    """Return a command such that it runs in the namespaces that we came from."""
    kinds = {"net": "net", "mnt": "mount", "ipc": "ipc"}
    if not OUTSIDE:
        return command
    return ["nsenter", *(f"--{kinds[kind]}=/proc/{os.getpid()}/fd/{file}" for kind, file in OUTSIDE.items()), *command]


def run(command):
    """Return what a program prints; it must succeed."""
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=DEADLINE_S).stdout


def children(pid):
    """Return the pids of a process's children, whichever of its threads has started them."""
    found = []
    with contextlib.suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            found += [int(word) for word in (thread / "children").read_text().split()]
    return found


def descendants(pid, spared=lambda pid: False):
    """Return the pids of all processes that stem from one; of those that are spared nobody is looked at."""
    found = []
    for child in children(pid):
        if not spared(child):
            found += [child, *descendants(child, spared)]
    return found


def told_of(pid):
    """Return a process for people: state, pid and command line."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""
    return "" if state == "Z" else f"{words.strip()[:200]} [{pid}] in state {state}"


class Machine:
    """Looks at everything that a fault may touch."""

    def __init__(self, *, places=(), alone=True, spared=lambda: (), base=None):
        """Take the folders to look into, whether our namespaces are our own, which pids are spared, and our folder."""
        self.places, self.alone, self.spared, self.base = tuple(places), alone, spared, base

    def look(self, victims=()):
        """Return what is there, as lines by kind."""
        seen = {"processes": self.processes(), "files": self.files(), "cgroups": self.cgroups()}
        if self.alone:
            seen |= {"mounts": self.mounts(), "shared memory": self.shared_memory(), **network(())}
        seen |= {"containers": docker.containers(), "claims": claims(self.base) if self.base else []}
        for victim in victims:
            for pid in victim.namespaces():
                enter = ("nsenter", f"--net=/proc/{pid}/ns/net")
                seen |= {f"{kind} of {victim.name}": lines for kind, lines in network(enter).items()}
            seen[f"target of {victim.name}"] = sorted(f"{key}: {value}" for key, value in victim.state().items())
        return seen

    def processes(self):
        """Return the processes that stem from us and are no victims, and victims that stand still."""
        spared = set(self.spared())
        mine = descendants(os.getpid(), lambda pid: pid in spared or docker.is_of_daemon(pid))
        return sorted(told for pid in mine if (told := told_of(pid)))

    def files(self):
        """Return every file below the places, with its kind, rights and size."""
        found = []
        for place in self.places:
            for path in sorted(Path(place).rglob("*")):
                with contextlib.suppress(FileNotFoundError):
                    status = path.lstat()
                    size = "" if path.is_dir() else f" {status.st_size} bytes"
                    found.append(f"{path} {status.st_mode:o}{size}")
        return found

    def mounts(self):
        """Return the mounts of our namespace."""
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
        return sorted(" ".join(line.split()[3:6] + line.split()[-3:]) for line in lines)

    def shared_memory(self):
        """Return the segments, semaphores and queues that are there."""
        found = [str(path) for folder in SHARED if Path(folder).is_dir() for path in Path(folder).rglob("*")]
        for kind in SYSV:
            lines = Path(f"/proc/sysvipc/{kind}").read_text().splitlines()[1:]
            found += [f"{kind} {' '.join(line.split()[:2])}" for line in lines]
        return sorted(found)

    def cgroups(self):
        """Return the control groups of ours."""
        root = Path("/sys/fs/cgroup")
        return sorted(str(folder) for folder in root.glob("**/*chaoslab*") if folder.is_dir())


def claims(base):
    """Return which places on targets faults of ours still claim; others' runs have their ledgers elsewhere."""
    folders = ("/run/chaoslab/claims", f"/run/user/{os.getuid()}/chaoslab/claims")
    texts = []
    for path in (path for folder in folders for path in Path(folder).glob("*")):
        with contextlib.suppress(OSError):
            texts.append(path.read_text())
    return sorted(text for text in texts if f'"{base}/' in text)


def network(enter):
    """Return what a network namespace holds; a program that is not installed can have left nothing."""
    seen = {}
    for kind, command in NETWORK.items():
        if shutil.which(command[0]):
            done = subprocess.run([*enter, *command], capture_output=True, text=True, timeout=DEADLINE_S, check=False)
            seen[kind] = [settled(line) for line in done.stdout.splitlines() if not line.startswith("#")]
    return seen


def settled(line):
    """Return a line without what counts on by itself."""
    words = line.split()
    if "valid_lft" in words:
        return ""
    if line.startswith(":") and words[-1].startswith("["):
        words = words[:-1]  # iptables-save: the counters of a chain
    while "packets" in words[:-1] and words[words.index("packets") + 1].isdigit():
        at = words.index("packets")
        del words[at : at + 4]
    return " ".join(words)


def differences(before, after):
    """Return in words what is there that was not, and what is no more."""
    found = []
    for kind in sorted(before.keys() | after.keys()):
        old, new = before.get(kind, []), after.get(kind, [])
        found += [f"{kind}: there is now: {line}" for line in new if line not in old]
        # Where somebody else removes the folder of a mount of his, ours goes with it; who ends takes his memory along.
        if kind not in {"mounts", "shared memory"}:
            found += [f"{kind}: there is no longer: {line}" for line in old if line not in new]
    return found


def until_same(machine, before, victims=(), *, within_s=10.0):
    """Wait for the machine to be as it was; return how it differs at the end."""
    deadline = time.monotonic() + within_s
    while found := differences(before, machine.look(victims)):
        if time.monotonic() > deadline:
            return found
        time.sleep(0.05)
    return []
