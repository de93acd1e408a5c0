"""What the TCP probe tells of sockets: their ends, and the names of their owners' cgroups."""

from typing import Final

from model.probe import EventType, Probe

EVENTS: Final = (
    EventType("KIND_CGROUP", "cgroup_event", "cgroups", urgent=True),
    EventType("KIND_CLOSE", "socket_event", "sockets"),
    EventType("KIND_FAIL", "socket_event", "sockets"),
)
TCP: Final = Probe("tcp", EVENTS)
