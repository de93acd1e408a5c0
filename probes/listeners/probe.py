"""The probe of listening sockets: a cell for each, from listen() to its end, read once a second.

The hooks of the TCP probe see them begin and end (bpf/tcp/listeners.h): its sources come behind this probe's.
"""

from typing import Final

from model.probe import EventType, Feature, Hook, Probe, Switch

SWEEP: Final = Feature(
    "accept queues",
    "length, limit and overflows of the queues of listening sockets",
    (Hook("listener_sweep", kind="on_request"),),
    required=False,
    loss="full accept queues are not seen",
)

LISTENERS: Final = Probe(
    "listeners",
    sources=("listeners/events.h", "listeners/cells.h", "listeners/sweep.c"),
    maps=("listener_cells", "free_listeners", "listener_tallies"),
    features=(SWEEP,),
    events=(
        EventType("KIND_LISTENER", "listener_event", "listeners", urgent=True, namespace="listener.netns"),
    ),
    sizes=(("LISTENER_CELLS", "listeners.sockets"),),
    switch=Switch("listeners.enabled"),
    purpose="Listening TCP sockets and their queues",
    cost="about 0.2 ms a second for 1,000 listeners",
)
