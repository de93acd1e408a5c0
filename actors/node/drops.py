"""Dropped packets on a node: what the kernel counted, as rows of its own kind. Pure."""

from typing import Final

import numpy as np

from model.arrays import Columns
from model.kinds.drop import DROP, DropCategory, DropEvidence
from probes.kernel.layout import copied, joined, structs

CELL: Final = structs("drops")["drop_cell"]

_CATEGORIES: Final[dict[DropCategory, tuple[str, ...]]] = {
    DropCategory.NETFILTER: ("NETFILTER_DROP",),
    DropCategory.NO_SOCKET: ("NO_SOCKET", "IP_NOPROTO"),
    DropCategory.ACCEPT_QUEUE: ("TCP_LISTEN_OVERFLOW",),
    DropCategory.RECEIVE_BUFFER: (
        *("SOCKET_RCVBUFF", "SOCKET_BACKLOG", "PROTO_MEM", "TCP_ZEROWINDOW", "TCP_OFO_QUEUE_PRUNE"),
        "TCP_OFO_DROP",
    ),
    DropCategory.REVERSE_PATH: ("IP_RPFILTER", "IP_LOCAL_SOURCE", "IP_INVALID_SOURCE"),
    DropCategory.TTL: ("TCP_MINTTL", "IPV6_NDISC_HOP_LIMIT"),
    DropCategory.NEIGHBOUR: (
        *("NEIGH_CREATEFAIL", "NEIGH_FAILED", "NEIGH_QUEUEFULL", "NEIGH_DEAD", "NEIGH_HH_FILLFAIL"),
    ),
    DropCategory.CHECKSUM: ("TCP_CSUM", "UDP_CSUM", "IP_CSUM", "ICMP_CSUM", "SKB_CSUM"),
    DropCategory.POLICY: (
        *(
            "SOCKET_FILTER",
            "BPF_CGROUP_EGRESS",
            "TC_EGRESS",
            "TC_INGRESS",
            "XDP",
            "SECURITY_HOOK",
            "XFRM_POLICY",
        ),
        *("TCP_AUTH_HDR", "TCP_MD5NOTFOUND", "TCP_MD5UNEXPECTED", "TCP_MD5FAILURE"),
    ),
    DropCategory.NO_ROUTE: (
        *("IP_OUTNOROUTES", "IP_INNOROUTES", "IP_INADDRERRORS", "IP_INVALID_DEST", "IP_LOCALNET"),
        "IPV6DISABLED",
    ),
    DropCategory.MTU: ("PKT_TOO_BIG",),
    DropCategory.QDISC: (
        *(
            "QDISC_DROP",
            "QDISC_OVERLIMIT",
            "QDISC_CONGESTED",
            "CAKE_FLOOD",
            "FQ_BAND_LIMIT",
            "FQ_HORIZON_LIMIT",
        ),
        *("FQ_FLOW_LIMIT", "CPU_BACKLOG", "FULL_RING", "DUALPI2_STEP_DROP"),
    ),
}
#: What the place says where the reason does not: earlier kernels have few reasons, and NOT_SPECIFIED for all else.
_PLACES: Final[dict[DropCategory, tuple[str, ...]]] = {
    DropCategory.NEIGHBOUR: (
        *("neigh_invalidate", "arp_error_report", "ndisc_error_report", "neigh_flush_dev"),
        *("__neigh_event_send", "neigh_resolve_output", "ip_finish_output2", "ip6_finish_output2"),
    ),
    DropCategory.NO_ROUTE: ("ip_error", "ip6_pkt_drop", "ip_route_input_slow", "ip_rcv_finish_core"),
    DropCategory.TTL: ("ip_forward", "ip6_forward"),
    DropCategory.MTU: ("ip_fragment", "ip6_fragment", "ip_exceeds_mtu"),
    DropCategory.SYN_BACKLOG: ("tcp_conn_request", "tcp_v4_conn_request", "tcp_v6_conn_request"),
    DropCategory.ACCEPT_QUEUE: (
        "tcp_v4_syn_recv_sock",
        "tcp_v6_syn_recv_sock",
        "cookie_v4_check",
        "cookie_v6_check",
    ),
    DropCategory.NETFILTER: ("nf_hook_slow", "nft_do_chain"),
    DropCategory.QDISC: (
        "kfree_skb_list_reason",
        "enqueue_to_backlog",
        "sch_direct_xmit",
        "__dev_queue_xmit",
    ),
}
_BY_REASON: Final = {name: code for code, names in _CATEGORIES.items() for name in names}
_BY_PLACE: Final = {name: code for code, names in _PLACES.items() for name in names}
#: Where a reason leaves open which of two it is.
_BOTH: Final = {
    ("NO_SOCKET", "cookie_v4_check"): DropCategory.ACCEPT_QUEUE,
    ("NO_SOCKET", "cookie_v6_check"): DropCategory.ACCEPT_QUEUE,
    ("IP_INHDR", "ip_forward"): DropCategory.TTL,
    ("IP_INHDR", "ip6_forward"): DropCategory.TTL,
}


def category(reason: str, function: str) -> DropCategory:
    """What a drop means to who looks for its cause."""
    if found := _BOTH.get((reason, function)):
        return found
    return _BY_REASON.get(reason) or _BY_PLACE.get(function, DropCategory.OTHER)


class NodeDrops:
    """Makes rows of what cells grew by."""

    name = "drops"
    kind = DROP

    def __init__(self) -> None:
        self._cells = np.zeros(0, CELL)
        self._offset_ns = 0

    def take(self, events: np.ndarray, offset_ns: int) -> None:
        """Takes in what was dropped: ``struct drop_cell``, what each grew by."""
        self._cells = joined(self._cells, copied(np.ascontiguousarray(events)))
        self._offset_ns = offset_ns

    def rows(self) -> Columns:
        """Columns of kind ``drop``."""
        cells, self._cells = self._cells, np.zeros(0, CELL)
        if not len(cells):
            return {}
        columns = {name: cells[of] for name, of in _SAME.items()}
        for name, of in _ADDRESSES.items():
            columns[name] = np.ascontiguousarray(cells[of]).view("V16").reshape(-1)
        for name, of in (("first", "first_ns"), ("last", "last_ns")):
            columns[f"drop.{name}_at_ns"] = cells[of].astype(np.int64) + self._offset_ns
        columns["evidence"] = cells["fold"] + DropEvidence.WHOLE
        _fill_called(columns, cells)
        _fill_categories(columns)
        columns["netfilter.backend"] = cells["header"]["old_state"]
        return columns


_SAME: Final = {
    "network.transport": "protocol",
    "network.type": "family",
    "source.port": "source_port",
    "destination.port": "destination_port",
    "drop.reason": "reason_name",
    "drop.function": "function",
    "netfilter.hook": "hook",
    "netns.id": "netns",
    "network.interface.name": "interface",
    "network.io.direction": "way",
    "tcp.flags": "tcp_flags",
    "drops": "count",
    "drop.segments": "segments",
    "drop.bytes": "bytes",
}
_ADDRESSES: Final = {"source.address": "source", "destination.address": "destination"}


def _fill_called(columns: Columns, cells: np.ndarray) -> None:
    """Who called whom, where conntrack tells; else the packet's tuple."""
    rewritten = cells["called_source_port"] | cells["called_destination_port"]
    known = rewritten != 0
    for end in ("source", "destination"):
        called = np.ascontiguousarray(cells[f"called_{end}"]).view("V16").reshape(-1)
        columns[f"connection.{end}.address"] = np.where(known, called, columns[f"{end}.address"])
        columns[f"connection.{end}.port"] = np.where(known, cells[f"called_{end}_port"], cells[f"{end}_port"])


def _fill_categories(columns: Columns) -> None:
    pairs = np.zeros(len(columns["drops"]), [("reason", "S32"), ("function", "S36")])
    pairs["reason"], pairs["function"] = columns["drop.reason"], columns["drop.function"]
    different, place = np.unique(pairs, return_inverse=True)
    names = [(reason.decode(), function.decode()) for reason, function in different.tolist()]
    columns["drop.category"] = np.array([category(*each) for each in names], np.uint8)[place]
