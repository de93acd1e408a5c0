"""The DNS probe: messages are taken in the hooks of UDP, decoded here, and counted once a second."""

from typing import Final

from model.probe import EventType, Probe, Switch

#: Its programs are parts of those of UDP (``bpf/udp``), which are attached where either is wanted.
DNS: Final = Probe(
    "dns",
    sources=("dns/events.h", "dns/maps.h", "dns/see.h"),
    maps=("dns_ring", "dns_ports", "dns_tallies"),
    events=(
        EventType("KIND_QUERIES", "query_cell", "queries", urgent=True, namespace="netns"),
        EventType("KIND_DNS_NAME", "dns_name_event", "dns_names", urgent=True),
        EventType("KIND_DNS_ANSWER", "answer_event", "dns_answers", urgent=True, namespace="netns"),
    ),
    sizes=(("DNS_BYTES", "dns.ring_bytes"), ("DNS_RATE", "dns.rate")),
    switch=Switch("dns.enabled"),
    purpose="Queries of DNS",
)
