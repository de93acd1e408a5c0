"""Made-up requests of connections, and of workloads; the same for the same seed."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from model.batch import Batch
from model.enricher import Entity
from model.histogram import Histograms
from model.kind import Kind
from model.kinds.endpoint import ENDPOINT
from model.kinds.flow import NOWHERE, SIDES, Node
from model.kinds.request import PROTOCOLS, REQUEST, Via
from model.kinds.workload import EVIDENCE
from model.requests import NO_GRPC_STATUS
from tailrace.testing.deltas import WINDOW
from tailrace.testing.workloads import ENDS

ROUTES: Final = ["", "/", "/orders/*", "/users/{id}", "/shop.Cart/Add"]
HOSTS: Final = ["", "shop.test"]
VIAS: Final = [Via(), Via("mesh/gateway", "orders")]
ENTITIES: Final[Sequence[Entity]] = (
    {},
    {"k8s.workload.name": "cart", "k8s.workload.kind": "Deployment", "k8s.namespace.name": "shop"},
    {"container.name": "web"},
)
_STATUSES: Final = np.array([0, 200, 200, 200, 204, 404, 500, 503])
#: Values in each histogram.
_VALUES: Final = 3


def make_requests(
    rows: int, *, seed: int = 0, columns: Mapping[str, object] | None = None, **head: Any
) -> Batch:
    """``rows`` kinds of requests of connections in one window.

    :param columns: values, one for all or one per row, that replace those of a column.
    :param head: ``window``, ``node``, ``boot`` and ``seq``, where they are not as usual.
    """
    random = np.random.default_rng(seed)
    made = REQUEST.empty(rows)
    made["connection.id"][:] = random.integers(1, 1 << 63, rows)
    for end in ("client", "service", "server"):
        made[f"{end}.address"][:] = np.frombuffer(bytes(10) + b"\xff\xff\n\x01\x02\x03", "V16")
        made[f"{end}.port"][:] = random.integers(1, 65536, rows)
    made["evidence"][:] = random.integers(1, 6, rows)
    for side in SIDES:
        made[f"{side}.entity.index"][:] = random.integers(0, len(ENTITIES), rows)
        made[f"{side}.process.comm"][:] = random.choice(np.array([b"", b"curl", b"nginx"]), rows)
        made[f"{side}.node.index"][:] = random.integers(0, 2, rows)
    made["network.type"][:] = 4
    tables = {"entities": ENTITIES, "nodes": [NOWHERE, Node("node-a", "boot-1")]}
    return _whole(REQUEST, made, tables, random, columns, head)


def make_endpoints(
    rows: int, *, seed: int = 0, columns: Mapping[str, object] | None = None, **head: Any
) -> Batch:
    """``rows`` kinds of requests of pairs of workloads in one window; parameters as those of ``make_requests``."""
    random = np.random.default_rng(seed)
    made = ENDPOINT.empty(rows)
    for side in SIDES:
        made[f"{side}.workload.index"][:] = random.integers(1, len(ENDS), rows)
    made["server.port"][:] = random.integers(1, 65536, rows)
    for name in EVIDENCE:
        made[name][:] = random.integers(0, 3, rows)
    return _whole(ENDPOINT, made, {"workloads": ENDS}, random, columns, head)


def _whole(
    kind: Kind,
    made: dict[str, Any],
    tables: dict[str, Any],
    random: np.random.Generator,
    columns: Mapping[str, object] | None,
    head: dict[str, Any],
) -> Batch:
    """With what rows of both kinds have."""
    rows = len(made["requests"])
    protocol = random.integers(1, 4, rows)
    version, system = (
        np.array([PROTOCOLS[code][part] for code in protocol.tolist()], "S8") for part in (0, 1)
    )
    made["network.protocol.version"][:], made["rpc.system"][:] = version, system
    made["rpc.grpc.status_code"][:] = np.where(
        protocol == 3, random.choice([0, 0, 5, 14], rows), NO_GRPC_STATUS
    )
    made["http.request.method"][:] = random.integers(0, 10, rows)
    for name, table in (("route", ROUTES), ("host", HOSTS), ("via", VIAS)):
        made[f"{name}.index"][:] = random.integers(0, len(table), rows)
    made["http.response.status_code"][:] = random.choice(_STATUSES, rows)
    for name in (
        "requests",
        "client.requests",
        "server.requests",
        "http.request.bytes",
        "http.response.bytes",
    ):
        made[name][:] = random.integers(0, 1000, rows)
    made["requests.failed"][:] = np.where(made["http.response.status_code"] >= 500, made["requests"], 0)
    values = random.integers(1000, 10**9, (2 * rows, _VALUES))
    for place, side in enumerate(SIDES):
        mine = slice(place * rows, (place + 1) * rows)
        made[f"http.{side}.request.duration_ns.index"][:] = np.arange(1, 2 * rows + 1)[mine]
        made[f"http.{side}.request.duration_ns.sum"][:] = values[mine].sum(axis=1)
    numbers = np.repeat(np.arange(1, 2 * rows + 1), _VALUES)
    histograms = Histograms.of(numbers, values.reshape(-1), 2 * rows + 1)
    for name, value in (columns or {}).items():
        made[name][:] = np.asarray(value, made[name].dtype)
    whole = {**tables, "routes": ROUTES, "hosts": HOSTS, "vias": VIAS, "histograms": histograms}
    said: dict[str, Any] = {"node": "node-a", "boot": "boot-1", "seq": 0, "window": WINDOW} | head
    return Batch(kind, columns=made, tables=whole, **said)
