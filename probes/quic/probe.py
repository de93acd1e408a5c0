"""The probe of QUIC: the server's name and the protocols in a client's first packets.

Those packets are protected with keys that everybody can derive who sees them (RFC 9001, 5.2). The kernel tells of a
flow's first datagrams, at most four and none behind the server's hello; they are opened here, and nothing but name
and protocols is kept of them.
"""

from typing import Final

from model.probe import Probe, Switch
from probes.udp.probe import UDP

#: Its programs are parts of those of UDP (``bpf/udp``).
QUIC: Final = Probe(
    "quic",
    sources=("quic/events.h", "quic/maps.h"),
    maps=("quic_ring", "quic_tallies"),
    sizes=(("QUIC_BYTES", "udp.quic_bytes"),),
    switch=Switch("udp.quic"),
    within=UDP.name,
    purpose="Server names of QUIC",
)
