"""All that can be hit, and what must be caught."""

from torture_servers import Answering, Frozen, Lowered, Narrowed
from torture_victims import (
    Blackholed,
    Blocked,
    Broken,
    Doomed,
    Filed,
    Filled,
    Forgetful,
    Loaded,
    Proxied,
    Reset,
    RolledBack,
    Scratched,
    Sleeper,
    Throttled,
)

SABOTAGE = (Broken, Forgetful)
PROCESS = (Sleeper, Doomed, Lowered)
NETWORK = (Proxied, Blackholed, Reset, Throttled, Blocked, Narrowed)
RESOURCE = (Filled, Loaded)
SERVERS = (Answering, Frozen)
FILES = (Filed, Scratched, RolledBack)
EVERY = (*PROCESS, *NETWORK, *RESOURCE, *SERVERS, *FILES)
