"""The HTTP probe: requests of HTTP/1, counted in the kernel at both ends.

The socket comes with the tracepoint, the data from where the system call's registers say (bpf/http/buffer.h).
"""

from dataclasses import replace
from typing import Final

from model.probe import EventType, Feature, Hook, HookKind, Probe, Switch

_PARTS: Final = ("learn", "more", "call", "frames", "hello")
#: Programs that a read or write is handed on to, by the order of ``enum http_jump``, for each map that has them.
JUMPS: Final[dict[str, tuple[str, ...]]] = {
    "http_jumps": ("http_learn", "http_more", "http_call", "http2_frames", "tls_hello"),
    "http_probe_jumps": (  # no handshakes
        "http_probe_learn",
        "http_probe_more",
        "http_probe_call",
        "http2_probe_frames",
    ),
    "http_read_jumps": tuple(f"fexit__tcp_recvmsg__{part}" for part in _PARTS),
    "http_write_jumps": tuple(f"fexit__tcp_sendmsg__{part}" for part in _PARTS),
}
#: How many of them are this probe's; the others are of probes within it.
OWN_JUMPS: Final = 3


def traced(program: str, target: str = "") -> Hook:
    """Of the tracepoints behind reads and writes, which hand over the socket (Linux 6.3)."""
    kind: HookKind = "raw_tracepoint" if target else "on_request"
    return Hook(program, target, kind, way="tracepoints", needs="lengths", macro="HTTP_TRACEPOINTS")


def ending(program: str, target: str = "") -> Hook:
    """Of the end of TCP's own functions, on older kernels."""
    kind: HookKind = "fexit" if target else "fexit_part"
    return Hook(program, target, kind, way="exits", needs="btf", macro="HTTP_EXITS", spare=True)


def in_process(program: str, *others: str) -> Hook:
    """Programs that run in processes, or that such a one goes on with."""
    first, *rest = (Hook(name, kind="probe_part", macro="HTTP_PROBES") for name in (program, *others))
    return together(first, *rest)


def together(*hooks: Hook) -> Hook:
    """All of them or none."""
    return replace(hooks[0], others=hooks[1:])


def handed_on(begin: int, end: int, *others: Hook) -> tuple[Hook, Hook]:
    """The programs of these numbers, and others, for each way to see reads and writes; best first."""
    at_traces, of_probes, at_reads, at_writes = (names[begin:end] for names in JUMPS.values())
    parts = (*(in_process(name) for name in of_probes), *others)
    return (
        together(*map(traced, at_traces), *parts),
        together(*map(ending, at_reads + at_writes), *parts),
    )


PARTS: Final = Feature(
    "HTTP paths and bodies",
    "texts of paths, and where bodies of requests end",
    handed_on(0, OWN_JUMPS, Hook("http_give_up", kind="on_request")),
    required=False,
    loss="requests are not counted",
    switch="http.hooks",
)
REQUESTS: Final = Feature(
    "HTTP requests",
    "method, route, status and latency of requests of HTTP/1",
    (
        together(traced("http_received", "sock_recv_length"), traced("http_sent", "sock_send_length")),
        together(ending("fexit__tcp_recvmsg", "tcp_recvmsg"), ending("fexit__tcp_sendmsg", "tcp_sendmsg")),
    ),
    required=False,
    loss="requests are not counted",
    switch="http.hooks",
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
        "http/quick.h",
        "http/quick.c",
        "http/exits.c",
    ),
    maps=(
        "request_cells",
        "free_cells",
        "request_keys",
        "http_states",
        "http_parts",
        *JUMPS,
        "http_tallies",
        *("http_ports", "http_names", "http_namespaces"),
        *("tls_processes", "tls_come", "tls_tallies"),  # where the probe of TLS is wanted
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
    cost="about 0.3 to 0.4 µs for a request at each end",
)
