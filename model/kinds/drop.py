"""One row says how often packets that are alike were dropped in one second, where and why, in the kernel's own
words. Rows come for packets of connections that are reported, and for all others: what scans closed ports, what a
rule of a firewall forbids, what finds no route. [Dropped packets](drops.md) says what is seen, and what is left out
because it happens in healthy traffic.

**Sums** of `drops` are exact: each packet that the kernel dropped for a reason that counts is in one row. When
packets of very many addresses are dropped, as by a scan or a flood, those that come after the first are in rows
without addresses (`evidence` `folded`), and at last without ports (`reason`). What is in no row is counted in the
[ledger](#the-ledger) (`drops`).

**Two tuples.** `source` and `destination` are the packet's own where it was dropped. Where conntrack rewrites its
connection, `connection.source` and `connection.destination` say who called whom as the caller has it; else they are
the same as the packet's.

{columns}
"""

from enum import IntEnum
from typing import Final, NamedTuple

from model.column import Column
from model.kind import Kind, own_subject
from model.kinds.delta import DELTA, ENTITIES
from model.kinds.drop_text import TEXT
from model.rows import values as row_values
from model.rows.words import Capitals
from model.tables import RecordType, Table, record_fields


class DropCategory(IntEnum):
    """Reasons of the kernel that mean the same to who looks for a cause."""

    NETFILTER = 1
    NO_SOCKET = 2
    ACCEPT_QUEUE = 3
    SYN_BACKLOG = 4
    RECEIVE_BUFFER = 5
    REVERSE_PATH = 6
    TTL = 7
    NEIGHBOUR = 8
    CHECKSUM = 9
    POLICY = 10
    NO_ROUTE = 11
    MTU = 12
    QDISC = 13
    OTHER = 14


class NetfilterHook(Capitals):
    """Whose chains a packet was in (``enum drop_hook``)."""

    PREROUTING = 1
    INPUT = 2
    FORWARD = 3
    OUTPUT = 4


class NetfilterBackend(IntEnum):
    """Which rules dropped it."""

    NFTABLES = 1
    XTABLES = 2


class DropTransport(IntEnum):
    """Protocols by IANA's numbers."""

    ICMP = 1
    TCP = 6
    UDP = 17
    ICMPV6 = 58
    SCTP = 132


class DropNetworkType(IntEnum):
    """The version of IP."""

    IPV4 = 4
    IPV6 = 6


class DropDirection(IntEnum):
    """Which way the packet went."""

    RECEIVE = 1
    TRANSMIT = 2


class DropEvidence(IntEnum):
    """What a row tells apart."""

    WHOLE = 1
    FOLDED = 2
    REASON = 3


class Dropped(NamedTuple):
    """Why packets of a connection were dropped, and where."""

    message: str = ""
    category: str = ""
    reason: str = ""
    hook: str = ""
    function: str = ""
    node: str = ""
    netns: str = ""


#: Why packets of a connection were dropped.
DROPPED: Final = Table(
    "dropped",
    RecordType(Dropped()),
    lambda index: record_fields(
        [(f"drop.{name}", place) for place, name in enumerate(Dropped._fields)], "dropped", index
    ),
    "why packets were dropped, seven texts each: message, category, reason, hook, function, node, network namespace; "
    "the first is empty",
)

_COLUMNS: Final = (
    Column(
        "network.transport",
        "<u1",
        "1 icmp, 6 tcp, 17 udp, 58 icmpv6, 132 sctp",
        codes=DropTransport,
        always=True,
    ),
    Column("network.type", "<u1", "4 or 6", codes=DropNetworkType, always=True),
    Column("source.address", "V16", "of the packet where it was dropped; IPv4 as IPv4-mapped IPv6"),
    Column("source.port", "<u2"),
    Column("destination.address", "V16", "likewise"),
    Column("destination.port", "<u2"),
    Column("connection.source.address", "V16", "who called, before this namespace's rewriting"),
    Column("connection.source.port", "<u2"),
    Column("connection.destination.address", "V16", "who was called, likewise"),
    Column("connection.destination.port", "<u2"),
    Column("drop.reason", "S32", "as the kernel names it, without `SKB_DROP_REASON_`; padded with zeros"),
    Column(
        "drop.category",
        "<u1",
        "1 netfilter, 2 no_socket, 3 accept_queue, 4 syn_backlog, 5 receive_buffer, 6 reverse_path, 7 ttl, "
        "8 neighbour, 9 checksum, 10 policy, 11 no_route, 12 mtu, 13 qdisc, 14 other",
        codes=DropCategory,
        always=True,
    ),
    Column("drop.function", "S36", "the kernel's function that dropped it; empty if that is not known"),
    Column(
        "netfilter.hook",
        "<u1",
        "of a packet that a rule dropped: 1 PREROUTING, 2 INPUT, 3 FORWARD (or POSTROUTING), 4 OUTPUT (or "
        "POSTROUTING); 0: not known, or no rule did",
        codes=NetfilterHook,
    ),
    Column(
        "netfilter.backend",
        "<u1",
        "1 nftables (also `iptables-nft`), 2 xtables (`iptables-legacy`); 0: the kernel does not tell",
        codes=NetfilterBackend,
    ),
    Column("netns.id", "<u4", "network namespace in which it was dropped: its inode number; 0: not known"),
    Column(
        "network.interface.name", "S16", "the device of the first one, padded with zeros; empty if not known"
    ),
    Column(
        "network.io.direction",
        "<u1",
        "0 unknown, 1 receive (it had come in by a device), 2 transmit (a socket of this machine sent it)",
        codes=DropDirection,
    ),
    Column("tcp.flags", "<u1", "of the first one: 1 FIN, 2 SYN, 4 RST, 8 PSH, 16 ACK"),
    Column(
        "evidence",
        "<u1",
        "1 whole, 2 folded (of many addresses; of the ports only the lower one), 3 reason (of many ports too)",
        codes=DropEvidence,
        always=True,
    ),
    Column("drops", "<u8", "packets", "packets", over="sum", always=True),
    Column("drop.segments", "<u8", "that they were made of (GSO, GRO)", over="sum"),
    Column("drop.bytes", "<u8", "of them with the headers that they had there", over="sum"),
    Column("drop.first_at_ns", "<u8", "wall clock, of the first in this second, about", over="known"),
    Column("drop.last_at_ns", "<u8", "wall clock, of the last"),
    Column(
        "connection.id",
        "<u8",
        "of the [flow](#flows) that they belong to; 0: of none that was known then. In rows 16 hexadecimal digits",
        values=row_values.known_hexadecimals,
    ),
    *(
        Column(
            f"{end}.entity.index",
            "<u4",
            f"who is at the {end}: place in the batch's `entities`, 0: not known. In rows `{end}.entity`",
            table=ENTITIES,
        )
        for end in ("source", "destination")
    ),
)

#: Packets that were dropped in one second and are alike.
DROP: Final = Kind(
    "drop",
    "drops",
    _COLUMNS,
    key=(
        *("netns.id", "network.transport", "source.address", "source.port", "destination.address"),
        *("destination.port", "drop.reason", "drop.function", "netfilter.hook"),
    ),
    lead=(
        *("drop.category", "drop.reason", "drops", "network.transport", "network.type"),
        *("source.address", "source.port", "destination.address", "destination.port"),
    ),
    subject=own_subject("drops"),
    page=__doc__,
    text=TEXT,
    rank="drops",
)

_HOOKS: Final = {hook.value: hook.name for hook in NetfilterHook}
_CATEGORIES: Final = {each.value: each.name.lower() for each in DropCategory}
#: What categories mean, in a sentence that begins with "dropped".
_MEANINGS: Final = {
    DropCategory.NETFILTER: "by netfilter",
    DropCategory.NO_SOCKET: "because nobody listens",
    DropCategory.ACCEPT_QUEUE: "because the server accepts too slowly",
    DropCategory.SYN_BACKLOG: "because too many handshakes are under way",
    DropCategory.RECEIVE_BUFFER: "because a receive buffer is full",
    DropCategory.REVERSE_PATH: "by the reverse path filter",
    DropCategory.TTL: "because the time to live was over",
    DropCategory.NEIGHBOUR: "because the neighbour does not answer",
    DropCategory.CHECKSUM: "because of a wrong checksum",
    DropCategory.POLICY: "by a policy",
    DropCategory.NO_ROUTE: "because there is no route",
    DropCategory.MTU: "because it is larger than the next hop takes",
    DropCategory.QDISC: "by a full queue of a device",
}
_BY_NAME: Final = {code.name.lower(): text for code, text in _MEANINGS.items()}


def why_text(category: str, reason: str) -> str:
    """Behind "dropped": ``by netfilter``.

    :param category: as rows have it; ``reason`` the kernel's.
    """
    return _BY_NAME.get(category) or f"for the reason {reason or 'unknown'}"


def said(node: str, category: int, reason: bytes, hook: int, function: bytes, netns: int) -> Dropped:
    """Why a packet was dropped, in words, from columns of its row."""
    where = f"in namespace {netns} of {node}" if netns else f"on {node}"
    name, chain = reason.decode(errors="replace"), _HOOKS.get(hook, "")
    why = why_text(_CATEGORIES.get(category, ""), name)
    message = f"dropped {why} {where}" + (f", hook {chain}" if chain else "")
    words = (message, _CATEGORIES.get(category, ""), name, chain, function.decode(errors="replace"))
    return Dropped(*words, node, str(netns) if netns else "")


#: What of a delta row a drop has under the same name: both are divided among partitions by it.
TUPLE: Final = tuple(
    column for column in DROP.types if column in DELTA.types and column.startswith("connection.")
)
