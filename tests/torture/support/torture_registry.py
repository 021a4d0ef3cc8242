"""All that can be hit, what must be caught, and which faults have no victim, each with its reason."""

import importlib
import pkgutil

import torture_datastores as datastores
import torture_docker as docker
import torture_networks as networks
import torture_resources as resources
import torture_servers as servers
import torture_victims as victims

import chaoslab
from chaoslab.runtime.fault import fault_of, short_name_of

SABOTAGE = (victims.Broken, victims.Forgetful)
PROCESS = (victims.Sleeper, victims.Doomed, resources.Supervised)
NETWORK = (
    *(victims.Proxied, victims.Blackholed, victims.Reset, victims.Throttled, victims.Blocked),
    *(networks.Narrowed, *networks.BAD_LINES, networks.Parted),
    *(networks.Misnamed, networks.Unanswered, networks.Slow, networks.Misled),
)
RESOURCE = (
    *(victims.Filled, victims.Loaded, resources.Lowered),
    *(resources.Pressed, resources.Skewed, resources.Throttled),
)
SERVERS = (servers.Answering, servers.Held, servers.CutOff)
DATASTORES = (
    *(datastores.Locked, datastores.LeftOpen, datastores.Exhausted, datastores.Behind, datastores.Scratch),
    *(datastores.Frozen, datastores.Squeezed, datastores.Evicted, datastores.HungUp),
)
DOCKER = (
    *(docker.Paused, docker.Stopped, docker.Killed, docker.Restarted, docker.Limited),
    *(docker.Filled, docker.Disconnected, docker.Walled, docker.Narrow, docker.Late),
)
FILES = (victims.Filed, victims.Scratched, victims.RolledBack)
EVERY = (*PROCESS, *NETWORK, *RESOURCE, *SERVERS, *DATASTORES, *DOCKER, *FILES)
WITHOUT = {
    "engine.children.program": "the programs of a step: every run of file.rollback has one",
    "engine.foreign.rollback": "a rollback of somebody else's file: it is file.rollback here",
    "postgres.corruption.corrupt": "it hits a stand-in that the same drill has made, whose end is postgres.scratch's",
    "postgres.physical.strike": "it hits a stand-in that the same drill has made, whose end is postgres.scratch's",
}
"""Faults of chaoslab that nobody here is the victim of, and why. Kafka is hit by process.pause, slow queries are
network.delay_tcp: they have no fault of their own."""


def faults():
    """Return the names of all faults of chaoslab, found by looking into every module."""
    found = set()
    for module in pkgutil.walk_packages(chaoslab.__path__, "chaoslab."):
        if not module.name.endswith("__main__"):
            names = vars(importlib.import_module(module.name)).values()
            found |= {short_name_of(one) for one in names if callable(one) and fault_of(one) is not None}
    return found
