"""The probe of TLS handshakes: version, cipher, server name and protocol of a connection, from its two hellos.

The hooks of the HTTP probe hand over the first reads and writes of a socket (bpf/handshake/hello.c): a connection
that is no TLS costs nothing more.
"""

from typing import Final

from model.probe import EventType, Feature, Probe, Switch
from probes.http.probe import HTTP, OWN_JUMPS, handed_on

HELLOS: Final = Feature(
    "TLS handshakes",
    "version, cipher, server name and protocol of TLS connections",
    handed_on(OWN_JUMPS + 1, OWN_JUMPS + 2),
    required=False,
    loss="connections do not say that they are encrypted",
    switch="http.hooks",
)

HANDSHAKE: Final = Probe(
    "handshake",
    sources=("handshake/events.h", "handshake/hello.h", "handshake/hello.c"),
    maps=("handshake_tallies",),
    features=(HELLOS,),
    events=(EventType("KIND_HANDSHAKE", "hello_event", "handshakes", urgent=True, namespace="netns"),),
    switch=Switch("http.handshakes"),
    within=HTTP.name,
    purpose="Handshakes of TLS",
)
