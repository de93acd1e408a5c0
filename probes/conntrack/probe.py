"""The conntrack probe: connections that this machine rewrites."""

from typing import Final

from model.probe import EventType, Probe

EVENTS: Final = (
    EventType("KIND_NAT_NEW", "nat_event", "nat", urgent=True),
    EventType("KIND_NAT_DELETED", "nat_event", "nat", urgent=True),
)
CONNTRACK: Final = Probe("conntrack", EVENTS)
