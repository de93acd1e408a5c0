"""The conntrack probe: connections that this machine rewrites.

Kprobes see an entry enter the table and leave it, or ctnetlink tells of it. The functions are those of
net/netfilter/nf_conntrack_core.c. A packet's entry is confirmed when the packet leaves the machine or reaches its
socket; an entry of netlink (conntrackd, ``conntrack -I``) is inserted; whatever ends an entry goes through
nf_ct_delete.
"""

from typing import Final

from model.probe import EventType, Feature, Hook, Probe, Switch
from probes.kernel.layout import enums

#: The ring with the times of netlink's messages.
TIMES: Final = "conntrack_times"
_KINDS: Final = tuple(enums("conntrack")["conntrack_event"])
_CONFIRM, _INSERT = "__nf_conntrack_confirm", "nf_conntrack_hash_check_insert"

KPROBES: Final = Hook(
    "nat_confirming",
    _CONFIRM,
    "kprobe",
    way="kprobes",
    needs="conntrack",
    others=(
        Hook("nat_entered", _CONFIRM, "kretprobe", needs="conntrack"),
        Hook("nat_inserting", _INSERT, "kprobe", needs="conntrack"),
        Hook("nat_entered", _INSERT, "kretprobe", needs="conntrack"),
        Hook("nat_leaving", "nf_ct_delete", "kprobe", needs="conntrack"),
    ),
)
#: ``probes.conntrack.feed`` listens: with the time of each message, or without.
TIMED: Final = Hook("message_queued", "ctnetlink", "socket_filter", way="netlink")
CTNETLINK: Final = Hook("ctnetlink", kind="listener", way="netlink")

NAT: Final = Feature(
    "NAT rewrites",
    "connections that this machine rewrites",
    (KPROBES, TIMED, CTNETLINK),
    required=False,
    loss="flows show addresses as each end sees them, and ends behind NAT are not joined",
)

CONNTRACK: Final = Probe(
    "conntrack",
    sources=("conntrack/events.h", "conntrack/maps.h", "conntrack/nat.c", "conntrack/message_times.c"),
    maps=(TIMES,),
    features=(NAT,),
    events=(*(EventType(kind, "nat_event", "nat", urgent=True) for kind in _KINDS),),
    switch=Switch("nat.source"),
    purpose="Connections that this machine rewrites",
)
