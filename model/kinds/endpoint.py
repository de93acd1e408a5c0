"""`--stage endpoints` sums [requests](#requests) up by who asked whom for what: one row says how often a client
workload had requests of one kind at a server workload in one second. Workloads are named, and told apart, as
[those of connections](#workloads) are.

**Rows add up** as those of workloads do; over all rows of a window, the numbers are those of its request rows.

**Limits**: past `workloads.endpoints` in one second the kinds with the fewest requests are summed up by their status
alone, between workloads of the kind `other`, with the route `other`.

**Evidence**: `evidence.…` says of how many of the requests the connection rests on [what](#evidence); the five add up
to `requests`.

{columns}
"""

from dataclasses import replace
from typing import Final

from model.kind import Kind, own_subject
from model.kinds.request import ALIKE, COUNTS, DURATIONS, REQUEST_TRAFFIC, VIA_TIMES
from model.kinds.request_text import ENDPOINT_TEXT
from model.kinds.workload import EVIDENCE, WORKLOAD

#: What says whose requests they are.
ENDS: Final = ("network.transport", "client.workload.index", "server.workload.index", "server.port")

#: What one workload asked another for in one second.
ENDPOINT: Final = Kind(
    "endpoint",
    "endpoints",
    (
        *(WORKLOAD.column(name) for name in ENDS),
        *ALIKE,
        WORKLOAD.column("window.late_s"),
        *COUNTS,
        *VIA_TIMES,
        *(replace(WORKLOAD.column(name), meaning="", unit="requests") for name in EVIDENCE),
        *DURATIONS,
    ),
    key=(*ENDS, *(column.name for column in ALIKE)),
    lead=(
        *(f"client.workload.{part}" for part in ("name", "kind", "namespace")),
        *(f"server.workload.{part}" for part in ("name", "kind", "namespace")),
        *("server.port", "http.request.method", "http.route", "http.response.status_code", "requests"),
    ),
    derived=WORKLOAD.derived,
    subject=own_subject("endpoints"),
    text=ENDPOINT_TEXT,
    asked=REQUEST_TRAFFIC,
    rank="requests",
    page=__doc__,
    brief=("-evidence.*", "-*.port.name"),
)
