"""The HTTP/2 probe: frames are followed in the kernel, header blocks decoded here, once a second, in columns."""

from typing import Final

from model.probe import Feature, Probe, Switch
from probes.http.probe import OWN_JUMPS, handed_on

FRAMES: Final = Feature(
    "HTTP/2 frames",
    "requests of HTTP/2 and gRPC in clear text",
    handed_on(OWN_JUMPS, OWN_JUMPS + 1),
    required=False,
    loss="requests of HTTP/2 are not counted",
    switch="http.hooks",
)

HTTP2: Final = Probe(
    "http2",
    sources=(
        "http2/events.h",
        "http2/maps.h",
        "http2/tell.h",
        "http2/frames.h",
        "http2/recognize.h",
        "http2/frames.c",
    ),
    maps=("http2_ring", "http2_states", "http2_tallies"),
    features=(FRAMES,),
    sizes=(("HTTP2_BYTES", "http.http2.ring_bytes"), ("HTTP2_CONNECTIONS", "http.http2.connections")),
    switch=Switch("http.http2.enabled"),
    within="http",
    purpose="Requests of HTTP/2 and gRPC",
)
