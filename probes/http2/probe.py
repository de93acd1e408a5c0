"""The HTTP/2 probe: frames are followed in the kernel, header blocks decoded here, once a second, in columns."""

from typing import Final

from model.probe import Feature, Hook, Probe, Switch
from probes.http.probe import JUMPS

#: Behind those of HTTP/1, the number of its programs in ``http_jumps`` and ``http_probe_jumps`` (``enum http_jump``).
JUMP: Final = len(JUMPS)
PROGRAM: Final = Hook(
    "http2_frames", kind="on_request", others=(Hook("http2_probe_frames", kind="probe_part"),)
)
FRAMES: Final = Feature(
    "HTTP/2 frames",
    "requests of HTTP/2 and gRPC in clear text",
    (PROGRAM,),
    required=False,
    loss="requests of HTTP/2 are not counted",
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
