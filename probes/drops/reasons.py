"""Which of the kernel's reasons and places are no trouble (docs/drops.md says why)."""

from collections.abc import Iterable, Mapping
from typing import Final

from probes.drops.config import DropsConfig
from probes.kernel.layout import enums

VERDICTS: Final = enums("drops")["drop_verdict"]

#: Reasons for which packets are freed in healthy traffic.
NOISE: Final = frozenset(
    {
        *("CONSUMED", "NOT_DROPPED_YET"),  # nothing was dropped
        "QUEUE_PURGE",  # what a socket that is closed had in its queues
        "SOCKET_CLOSE",  # the same of a raw socket, or the last packets of a connection
        *("UNIX_DISCONNECT", "UNIX_SKIP_OOB"),  # no packets of a network
        *("OTHERHOST", "TAP_FILTER", "TAP_TXFILTER"),  # for another machine; a device listens to all
        "PACKET_SOCK_ERROR",  # a packet socket (tcpdump) has enough
        *("TCP_OLD_DATA", "TCP_OFOMERGE", "TCP_OLD_ACK", "TCP_OLD_SEQUENCE"),  # what came twice, or late
        *("TCP_RFC7323_PAWS", "TCP_RFC7323_PAWS_ACK", "TCP_RFC7323_TSECR"),  # likewise
        *("TCP_RESET", "TCP_CLOSE", "TCP_TOO_OLD_ACK"),  # a connection's end, which its rows tell
        *(
            "IPV6_NDISC_NS_OTHERHOST",
            "UNHANDLED_PROTO",
            "LOCAL_MAC",
            "MAC_IEEE_MAC_CONTROL",
        ),  # of the link alone
        *("VXLAN_ENTRY_EXISTS", "BRIDGE_INGRESS_STP_STATE", "ARP_PVLAN_DISABLE"),  # likewise
        "DUP_FRAG",  # a fragment that came twice
    }
)
#: Reasons that say too little: the place decides.
VAGUE: Final = frozenset({"NOT_SPECIFIED"})
#: Places at which packets without a better reason are lost.
PLACES: Final = frozenset(
    {
        *("neigh_invalidate", "arp_error_report", "ndisc_error_report", "neigh_flush_dev"),
        *("__neigh_event_send", "neigh_resolve_output", "ip_finish_output2", "ip6_finish_output2"),
        *(
            "ip_error",
            "ip_forward",
            "ip6_forward",
            "ip6_pkt_drop",
            "ip_rcv_finish_core",
            "ip_route_input_slow",
        ),
        *("ip_fragment", "ip6_fragment", "ip_exceeds_mtu", "ip6_input_finish", "ip_local_deliver_finish"),
        *("tcp_v4_conn_request", "tcp_v6_conn_request", "tcp_conn_request", "tcp_v4_syn_recv_sock"),
        *(
            "__udp_queue_rcv_skb",
            "udp_queue_rcv_one_skb",
            "__udp_enqueue_schedule_skb",
            "udpv6_queue_rcv_skb",
        ),
        *("nf_hook_slow", "nft_do_chain", "kfree_skb_list_reason", "__dev_queue_xmit", "sch_direct_xmit"),
        *("veth_xmit", "dev_forward_skb", "enqueue_to_backlog", "__netif_receive_skb_core"),
    }
)


def verdicts(known: Mapping[str, int], config: DropsConfig) -> dict[int, int]:
    """``enum drop_verdict`` of each of the kernel's reasons, by its number there."""
    noise = (NOISE | set(config.except_reasons)) - set(config.reasons)
    vague = VAGUE - set(config.except_reasons) - set(config.reasons)
    found = {}
    for name, number in known.items():
        kind = "DROP_NOISE" if name in noise else "DROP_BY_PLACE" if name in vague else "DROP_WANTED"
        found[number] = VERDICTS[kind]
    return found


def unknown_reasons(known: Iterable[str], config: DropsConfig) -> list[str]:
    """Those that the configuration names and the kernel does not have."""
    return sorted({*config.reasons, *config.except_reasons} - {*known})
