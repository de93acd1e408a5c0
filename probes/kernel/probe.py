"""What all probes share: the ring of events, and the names of owners' cgroups. Always compiled, and first."""

from typing import Final

from model.probe import EventType, Probe

SHARED: Final = Probe(
    "kernel",
    sources=(
        "kernel/numbers.h",
        "kernel/events.h",
        "kernel/read.h",
        "kernel/maps.h",
        "kernel/ring.h",
        "kernel/owner.h",
    ),
    maps=("ring_counts",),
    events=(EventType("KIND_CGROUP", "cgroup_event", "cgroups", urgent=True),),
    sizes=(("RING_BYTES", "tcp.ring_bytes"),),
    switch=None,
)
