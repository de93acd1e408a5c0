"""The TLS probe: what libraries in C read and write in plain text, for the parser of HTTP.

Its programs stand in the libraries of processes (probes/userspace), which are found while it runs.
"""

from typing import Final

from model.probe import Feature, Hook, Probe, Switch
from probes.http.probe import in_process

#: Programs that stand in libraries.
CALLS: Final = (
    *("tls_read", "tls_read_ex", "tls_write", "tls_write_ex", "tls_write_ex2", "tls_write_early"),
    *("tls_handshake", "tls_end", "tls_done"),
    *("tls_go_read", "tls_go_done", "tls_go_write", "tls_go_written"),
)
LIBRARIES: Final = Feature(
    "TLS libraries",
    "plain text of TLS connections of OpenSSL and BoringSSL",
    (
        Hook(
            "tls_executed",
            "sched_process_exec",
            others=in_process(*CALLS).parts,
        ),
    ),
    required=False,
    loss="requests in TLS are not counted",
)

TLS: Final = Probe(
    "tls",
    sources=("tls/calls.c", "tls/go.c"),  # the maps are with the hooks of HTTP, which look at records
    features=(LIBRARIES,),
    sizes=(("TLS_SESSIONS", "http.tls_sessions"),),
    switch=Switch("http.tls"),
    within="http",
    purpose="Requests in TLS",
    cost="about 5 µs for a request at its server",
)
