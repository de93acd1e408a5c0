"""A probe for Tailrace: which process asks for the addresses of names (getaddrinfo), and how often."""

import numpy as np

from tailrace.api import Column, EventType, Feature, Hook, Kind, Place, Probe, Ring

PID = Column("process.pid", "<u4", "the process that asked", always=True)
COMM = Column("process.comm", "S16", "what it calls itself")
CALLS = Column("lookups", "<u4", "names that it asked for in this second")


class Lookups:
    """Counts calls by process."""

    name = "lookups"
    kind = Kind("lookup", "lookups", (PID, COMM, CALLS), key=("process.pid",))

    def __init__(self):
        self.events = []

    def take(self, events, offset_ns):
        self.events.append(events.copy())

    def rows(self):
        if not self.events:
            return {}
        events, self.events = np.concatenate(self.events), []
        pids, first, calls = np.unique(events["pid"], return_index=True, return_counts=True)
        return {"process.pid": pids, "process.comm": events["comm"][first], "lookups": calls}


HOOK = Hook("lookup_called", kind="uprobe", place=Place("libc.so.6", symbol="getaddrinfo"))
PROBE = Probe(
    "lookups",
    __name__,
    ("events.h", "lookups.c"),
    features=(Feature("lookups of names", "which process asks for the addresses of names", (HOOK,)),),
    events=(EventType("KIND_LOOKUP", "lookup_event", receiver="lookups", ring=Ring("lookups")),),
    receivers=(Lookups,),
)
