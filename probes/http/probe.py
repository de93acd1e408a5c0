"""The HTTP probe: requests of HTTP/1, counted in the kernel at both ends.

The socket comes with the tracepoint, the data from where the system call's registers say (bpf/http/buffer.h).
"""

from typing import Final

from model.probe import EventType, Feature, Hook, Probe, Switch

#: By the order of ``enum http_jump``: programs that a head is handed on to.
JUMPS: Final = ("http_learn", "http_more", "http2_frames", "tls_hello")
#: The same for uprobes and kprobes (map ``http_probe_jumps``).
PROBE_JUMPS: Final = ("http_probe_learn", "http_probe_more", "http2_probe_frames", "tls_probe_hello")
#: How many of them are this probe's; the others are of probes within it.
OWN_JUMPS: Final = 2

PARTS: Final = Feature(
    "HTTP paths and bodies",
    "texts of paths, and where bodies of requests end",
    (
        Hook(
            JUMPS[0],
            kind="on_request",
            others=(
                *(Hook(name, kind="on_request") for name in (*JUMPS[1:OWN_JUMPS], "http_give_up")),
                *(Hook(name, kind="probe_part") for name in PROBE_JUMPS[:OWN_JUMPS]),
            ),
        ),
    ),
    required=False,
    loss="requests are not counted",
)
REQUESTS: Final = Feature(
    "HTTP requests",
    "method, route, status and latency of requests of HTTP/1",
    (Hook("http_received", "sock_recv_length", others=(Hook("http_sent", "sock_send_length"),)),),
    required=False,
    loss="requests are not counted",
)

HTTP: Final = Probe(
    "http",
    sources=(
        "http/events.h",
        "http/maps.h",
        "http/buffer.h",
        "http/lines.h",
        "http/path.h",
        "http/count.h",
        "http/links.h",
        "http/heads.h",
        "http/follow.h",
        "http/more.c",
        "http/wanted.h",
        "tls/events.h",
        "tls/wire.h",
        "http/hooks.c",
    ),
    maps=(
        "request_cells",
        "free_cells",
        "request_keys",
        "http_states",
        "http_jumps",
        "http_probe_jumps",
        "http_tallies",
        *("http_ports", "http_names", "http_namespaces"),
        *("tls_processes", "tls_tallies"),  # where the probe of TLS is wanted
        "link_tallies",
    ),
    features=(PARTS, REQUESTS),
    events=(
        EventType("KIND_REQUESTS", "request_cell", "requests", urgent=True, namespace="netns"),
        EventType("KIND_LINKS", "link_cell", "links", urgent=True, namespace="netns"),
        EventType("KIND_PATH", "path_event", "paths", urgent=True),
        EventType("KIND_DECRYPTED", "decrypted_event", "decrypted", urgent=True, namespace="netns"),
    ),
    sizes=(
        ("REQUEST_CELLS", "http.cells"),
        ("PATHS", "http.paths"),
        ("HTTP_HOSTS", "http.with_hosts"),
        ("PORT_RULES", "http.port_rules"),
        ("NAME_RULES", "http.name_rules"),
        ("NETNS_RULES", "http.netns_rules"),
    ),
    switch=Switch("http.enabled"),
    purpose="Requests of HTTP/1",
)
