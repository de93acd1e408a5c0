"""What sees conntrack rewrite: kprobes where an entry enters the table and where it leaves it, or ctnetlink.

The functions are those of net/netfilter/nf_conntrack_core.c. A packet's entry is confirmed when the packet leaves
the machine or reaches its socket; an entry of netlink (conntrackd, ``conntrack -I``) is inserted; whatever ends an
entry goes through nf_ct_delete.
"""

from typing import Final, Literal

from probes.kernel.loader import Loaded
from probes.kernel.program import Feature, Hook, Taken

Wanted = Literal["auto", "kprobes", "netlink", "off"]

_CONFIRM, _INSERT = "__nf_conntrack_confirm", "nf_conntrack_hash_check_insert"

KPROBES: Final = Hook(
    "nat_confirming",
    kind="kprobe",
    function=_CONFIRM,
    others=(
        Hook("nat_entered", kind="kretprobe", function=_CONFIRM),
        Hook("nat_inserting", kind="kprobe", function=_INSERT),
        Hook("nat_entered", kind="kretprobe", function=_INSERT),
        Hook("nat_leaving", kind="kprobe", function="nf_ct_delete"),
    ),
)
#: No program: ``probes.conntrack.feed`` listens.
CTNETLINK: Final = Hook("", kind="ctnetlink")

NAT: Final = Feature(
    "NAT rewrites",
    "connections that this machine rewrites",
    (KPROBES, CTNETLINK),
    required=False,
    loss="flows show addresses as each end sees them, and ends behind NAT are not joined",
)
_WAYS: Final = {"auto": (KPROBES, CTNETLINK), "kprobes": (KPROBES,), "netlink": (CTNETLINK,)}


def attach_rewrites(loaded: Loaded, wanted: Wanted) -> Taken:
    """Takes the best way of those ``wanted``; with ``off`` none.

    :raises ProbeError: if kprobes alone are wanted and cannot be had.
    """
    if wanted == "off":
        return Taken(NAT, None, {way.name: "nat.source is off" for way in NAT.alternatives})
    ways = Feature(NAT.name, NAT.purpose, _WAYS[wanted], required=wanted == "kprobes", loss=NAT.loss)
    taken = loaded.attach(ways)
    return Taken(NAT, taken.hook, taken.refused)
