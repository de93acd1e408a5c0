"""The UDP probe: datagrams and bytes of each socket and peer, counted where they pass the root of cgroups.

Hooks of cgroups hang on links: nothing stays when this process ends.
"""

from typing import Final

from model.probe import EventType, Feature, Hook, Probe, Switch

DATAGRAMS: Final = Feature(
    "UDP datagrams",
    "datagrams and bytes of each socket and peer",
    (
        Hook(
            "udp_egress",
            "inet_egress",
            "cgroup",
            others=(Hook("udp_ingress", "inet_ingress", "cgroup"),),
        ),
    ),
    required=False,
    loss="no datagrams are reported",
)
BINDS: Final = Feature(
    "owner by bind",
    "the process that owns a socket which gets datagrams and has sent none yet",
    (
        Hook(
            "udp_bound",
            "inet4_post_bind",
            "cgroup",
            others=(Hook("udp_bound6", "inet6_post_bind", "cgroup"),),
        ),
    ),
    required=False,
    loss="sockets have no owner before they send",
)
RELEASES: Final = Feature(
    "ends of UDP sockets",
    "gives slots of closed sockets back at once",
    (Hook("udp_released", "inet_sock_release", "cgroup"),),
    required=False,
    loss="flows end by the time that they rest",
)
DROPS: Final = Feature(
    "UDP drops",
    "datagrams for which a receive buffer had no room",
    (
        Hook("udp_overflowed", "udp_fail_queue_rcv_skb"),
        Hook("udp_freed", "kfree_skb", needs="reasons"),
        Hook("udp_failed", "udp_fail_queue_rcv_skb"),
    ),
    required=False,
    loss="drops are not counted",
)
ERRORS: Final = Feature(
    "UDP errors",
    "errors that the network answers to datagrams with",
    (Hook("udp_error", "inet_sk_error_report"),),
    required=False,
    loss="errors are not counted",
)
READERS: Final = Feature(
    "readers of datagrams",
    "the process that receives from a socket which sends nothing; attached while there are such sockets",
    (
        Hook("udp_received", "sock_recv_length", needs="lengths"),
        Hook(
            "udp_asked",
            "udp4_recvmsg",
            "cgroup",
            others=(Hook("udp_asked6", "udp6_recvmsg", "cgroup", spare=True),),
            spare=True,
        ),
    ),
    required=False,
    loss="such a socket is of the process that bound it, or that held it at the start",
)
ADOPTION: Final = Feature(
    "UDP adoption",
    "owners of sockets that were open before the start",
    (Hook("bpf_iter__task_file__udp", kind="iterator", needs="btf"),),
    required=False,
    loss="such sockets have no owner before they send, and who sends first is taken for the client",
)
SWEEP: Final = Hook("udp_sweep", kind="on_request")
RESTS: Final = Feature(
    "resting UDP flows",
    "ends flows that rest for long",
    (SWEEP,),
    required=False,
    loss="flows keep their slots until their sockets are closed",
)

UDP: Final = Probe(
    "udp",
    sources=(
        "udp/events.h",
        "udp/maps.h",
        "udp/packet.h",
        "udp/flows.h",
        "udp/came.h",
        "udp/sockets.h",
        "udp/nat.h",
        "udp/open.h",
        "quic/see.h",
        "udp/hooks.c",
        "udp/losses.c",
        "udp/readers.c",
        "udp/sweep.c",
        "udp/adopt.c",
    ),
    maps=("udp_cells", "udp_free", "udp_tallies"),
    features=(RESTS, BINDS, RELEASES, DROPS, ERRORS, READERS, DATAGRAMS, ADOPTION),
    events=(EventType("KIND_DATAGRAMS", "datagram_event", "datagrams", namespace="socket.netns"),),
    sizes=(
        ("UDP_SLOTS", "udp.slots"),
        ("UDP_PEERS", "udp.peers"),
        ("UDP_IDLE_ANSWERED", "udp.idle.answered"),
        ("UDP_IDLE_UNANSWERED", "udp.idle.unanswered"),
        ("UDP_IDLE_BOTH", "udp.idle.both"),
        ("UDP_ONLY_DNS", "udp.only_dns"),
    ),
    switch=Switch("udp.enabled"),
    needed_by="dns",
    purpose="Datagrams of UDP",
    cost="about 30 ns for a datagram at each end, 40 ns where a socket has many peers; 1 to 2 µs for a new flow",
)
