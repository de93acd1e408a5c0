"""The DNS probe: messages are taken in the hooks of UDP, decoded here, and counted once a second."""

from typing import Final

from model.probe import EventType, Feature, Hook, Probe, Switch

#: The programs that packets are handed on to, by the map that has each.
JUMPS: Final = {"dns_sent_jumps": "dns_sent", "dns_got_jumps": "dns_got"}
PAIRS: Final = Feature(
    "DNS over UDP in the kernel",
    "puts questions and answers together where they pass",
    (
        Hook(
            "dns_sent",
            "inet_egress",
            "cgroup_part",
            others=(Hook("dns_got", "inet_ingress", "cgroup_part"),),
        ),
    ),
    required=False,
    loss="each packet is looked at in user space: that costs more",
)

#: Its programs are parts of those of UDP (``bpf/udp``), which are attached where either is wanted.
DNS: Final = Probe(
    "dns",
    sources=(
        "dns/events.h",
        "dns/maps.h",
        "dns/see.h",
        "dns/message.h",
        "dns/pair.h",
        "dns/paired.c",
    ),
    maps=(
        *("dns_ring", "dns_exchanges", "dns_waiting", "dns_told", "dns_cells"),
        *("dns_ports", "dns_seeds", "dns_tallies"),
        *JUMPS,
    ),
    features=(PAIRS,),
    events=(
        EventType("KIND_QUERIES", "query_cell", "queries", urgent=True, namespace="netns"),
        EventType("KIND_DNS_NAME", "dns_name_event", "dns_names", urgent=True),
        EventType("KIND_DNS_ANSWER", "answer_event", "dns_answers", urgent=True, namespace="netns"),
    ),
    sizes=(
        ("DNS_BYTES", "dns.ring_bytes"),
        ("DNS_RATE", "dns.rate"),
        ("DNS_NAMES", "dns.names"),
        ("DNS_PENDING", "dns.pending"),
        ("DNS_CELLS", "dns.cells"),
    ),
    switch=Switch("dns.enabled"),
    purpose="Queries of DNS",
    cost="about 3 % of a core at 5,000 queries a second; more than dns.rate are counted in the kernel",
)
