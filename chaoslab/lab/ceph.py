"""The configuration of a Ceph so small that it starts in seconds: one monitor, one store in memory, no keys inside.

It listens on loopback, keeps its data in memory and loses them when it stops: a lab, not a place for data.
"""

from __future__ import annotations

from pathlib import Path

ADDRESS = "127.0.0.1"
REALM = "chaoslab"
GROUP = "lab"
STORAGE_CLASSES = ("STANDARD_IA", "GLACIER")
"""What a zone knows besides STANDARD, as a bucket in a cloud does; here all of them are the same memory."""

# A gateway that was killed counts as there until the watch timeout; its successor waits for that, by default 30 s.
_CONFIGURATION = """\
[global]
fsid = {identity}
mon host = [v1:{address}:{monitor_port}]
public addr = {address}
cluster addr = {address}
auth cluster required = none
auth service required = none
auth client required = none
run dir = {folder}
admin socket =
log file =
log to stderr = true
err to stderr = true
mon cluster log file = {folder}/logs/cluster.log
mon data = {folder}/mon
osd data = {folder}/osd
osd objectstore = memstore
memstore device bytes = {size_bytes}
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 2
osd pool default pgp num = 2
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
osd crush update on start = false
osd class update on start = false
mon allow pool size one = true
mon max pg per osd = 2000
mon data avail crit = 1
paxos propose interval = 0.05
paxos min wait = 0.01
rgw thread pool size = 32
rgw sync lease period = 10
rgw data notify interval msec = 200
rgw data log num shards = 8
rgw md log max shards = 4
rgw override bucket index max shards = 1
rgw crypt require ssl = false
osd client watch timeout = 5
osd min pg log entries = 100
osd max pg log entries = 500
osd pg log dups tracked = 100
"""


def configuration(folder: Path, *, identity: str, monitor_port: int, size_bytes: int) -> str:
    """Return ceph.conf.

    Args:
        folder: where everything lies
        identity: the cluster's UUID
        monitor_port: TCP port of the monitor on loopback
        size_bytes: how much the object store may hold in memory
    """
    return _CONFIGURATION.format(
        address=ADDRESS, folder=folder, identity=identity, monitor_port=monitor_port, size_bytes=size_bytes
    )


def storage_class_commands(zones: list[str]) -> list[list[str]]:
    """Return the arguments of radosgw-admin that make every zone know the storage classes."""
    commands = []
    for name in STORAGE_CLASSES:
        place = ["--placement-id=default-placement", f"--storage-class={name}"]
        commands.append(["zonegroup", "placement", "add", f"--rgw-zonegroup={GROUP}", *place])
        commands += [
            ["zone", "placement", "add", f"--rgw-zone={zone}", *place, f"--data-pool={zone}.rgw.buckets.data"]
            for zone in zones
        ]
    return commands
