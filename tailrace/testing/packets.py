"""Made-up queries of DNS, dropped packets and listeners; the same for the same seed."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from model.addresses import address_bytes
from model.batch import Batch
from model.enricher import Entity
from model.histogram import Histograms
from model.kind import Kind
from model.kinds.drop import DROP, DropCategory, DropTransport, NetfilterHook
from model.kinds.flow import NOWHERE, SIDES, Node
from model.kinds.listener import LISTENER
from model.kinds.query import QUERY, failed
from model.transport import Transport
from tailrace.testing.deltas import WINDOW
from tailrace.testing.requests import ENTITIES

NAMES: Final = ["", "api.example.com", "db.shop.svc.cluster.local", "other"]
RESOLVER: Final[Entity] = {
    "k8s.workload.name": "coredns",
    "k8s.workload.kind": "Deployment",
    "k8s.namespace.name": "kube-system",
}
OWNERS: Final[Sequence[Entity]] = (*ENTITIES, RESOLVER)
PATHS: Final = ["", "/system.slice/nginx.service"]
#: Reasons with their category and the kernel's function.
REASONS: Final = (
    (b"NETFILTER_DROP", DropCategory.NETFILTER, b"nft_do_chain"),
    (b"NO_SOCKET", DropCategory.NO_SOCKET, b"__udp4_lib_rcv"),
    (b"SOCKET_RCVBUFF", DropCategory.RECEIVE_BUFFER, b"udp_queue_rcv_one_skb"),
)
_ADDRESSES: Final = np.array(
    [address_bytes(text) for text in ("10.0.7.7", "192.0.2.1", "2001:db8::1")], "V16"
)
#: Values in each histogram.
_VALUES: Final = 3


def make_queries(
    rows: int, *, seed: int = 0, columns: Mapping[str, object] | None = None, **head: Any
) -> Batch:
    """``rows`` kinds of queries of sockets in one window, most over UDP; parameters as those of ``make_requests``."""
    random = np.random.default_rng(seed)
    made = QUERY.empty(rows)
    made["connection.id"][:] = random.integers(1, 1 << 63, rows)
    made["network.transport"][:] = random.choice([Transport.UDP, Transport.UDP, Transport.TCP], rows)
    made["network.type"][:] = 4
    made["client.port"][:] = random.integers(32768, 60999, rows)
    for end in ("client", "service", "server"):
        made[f"{end}.address"][:] = _ADDRESSES[random.integers(0, 2, rows)]
    for end in ("service", "server"):
        made[f"{end}.port"][:] = 53
    made["evidence"][:] = random.integers(1, 6, rows)
    for side in SIDES:
        made[f"{side}.process.comm"][:] = random.choice(np.array([b"curl", b"coredns"]), rows)
        made[f"{side}.process.pid"][:] = 1000 + random.integers(0, 9, rows)
        made[f"{side}.node.index"][:] = 1
    made["client.entity.index"][:] = random.integers(0, len(ENTITIES), rows)
    made["server.entity.index"][:] = OWNERS.index(RESOLVER)
    made["question.index"][:] = random.integers(1, len(NAMES), rows)
    made["dns.question.type"][:] = random.choice([1, 28], rows)
    made["dns.response.code"][:] = random.choice([0, 0, 2, 3, 255], rows)
    made["queries"][:] = made["client.queries"][:] = random.integers(1, 100, rows)
    made["queries.failed"][:] = np.where(failed(made["dns.response.code"]), made["queries"], 0)
    made["dns.retries"][:] = random.integers(0, 3, rows)
    answered = np.flatnonzero(made["dns.response.code"] != 255)
    values = random.integers(10_000, 10**8, (len(answered), _VALUES))
    made["dns.client.lookup.duration_ns.index"][answered] = np.arange(1, len(answered) + 1)
    made["dns.client.lookup.duration_ns.sum"][answered] = values.sum(axis=1)
    numbers = np.repeat(np.arange(1, len(answered) + 1), _VALUES)
    histograms = Histograms.of(numbers, values.reshape(-1), len(answered) + 1)
    tables = {
        "entities": list(OWNERS),
        "nodes": [NOWHERE, Node("node-a", "boot-1")],
        "questions": list(NAMES),
        "names": [""],
        "histograms": histograms,
    }
    return _batch(QUERY, made, tables, columns, head)


def make_drops(
    rows: int, *, seed: int = 0, columns: Mapping[str, object] | None = None, **head: Any
) -> Batch:
    """``rows`` kinds of dropped packets of one node in one window; parameters as those of ``make_requests``."""
    random = np.random.default_rng(seed)
    made = DROP.empty(rows)
    made["network.transport"][:] = random.choice([DropTransport.TCP, DropTransport.UDP], rows)
    made["network.type"][:] = 4
    for end in ("source", "destination"):
        address = _ADDRESSES[random.integers(0, 2, rows)]
        port = random.integers(1, 65536, rows)
        for begin in ("", "connection."):
            made[f"{begin}{end}.address"][:], made[f"{begin}{end}.port"][:] = address, port
    reasons = [REASONS[place] for place in random.integers(0, len(REASONS), rows).tolist()]
    for name, place in (("drop.reason", 0), ("drop.category", 1), ("drop.function", 2)):
        made[name][:] = [reason[place] for reason in reasons]
    by_rule = made["drop.category"] == DropCategory.NETFILTER
    made["netfilter.hook"][:] = np.where(by_rule, NetfilterHook.FORWARD, 0)
    made["netfilter.backend"][:] = by_rule
    made["netns.id"][:] = 4026531840
    made["network.interface.name"][:] = b"eth0"
    made["network.io.direction"][:] = random.integers(1, 3, rows)
    made["evidence"][:] = 1
    made["drops"][:] = made["drop.segments"][:] = random.integers(1, 1000, rows)
    made["drop.bytes"][:] = made["drops"] * 60
    for name in ("source", "destination"):
        made[f"{name}.entity.index"][:] = random.integers(0, len(OWNERS), rows)
    return _batch(DROP, made, {"entities": list(OWNERS)}, columns, head)


def make_listeners(
    rows: int, *, seed: int = 0, columns: Mapping[str, object] | None = None, **head: Any
) -> Batch:
    """``rows`` listeners of one node in one window; parameters as those of ``make_requests``."""
    random = np.random.default_rng(seed)
    made = LISTENER.empty(rows)
    made["listener.id"][:] = np.arange(1, rows + 1)
    made["network.transport"][:], made["network.type"][:] = Transport.TCP, 4
    made["network.local.address"][:] = _ADDRESSES[random.integers(0, 2, rows)]
    made["network.local.port"][:] = random.integers(1, 65536, rows)
    made["netns.id"][:] = 4026531840
    made["process.pid"][:] = 1000
    made["process.comm"][:] = b"nginx"
    made["cgroup.index"][:] = 1
    made["entity.index"][:] = random.integers(0, len(ENTITIES), rows)
    made["listener.limit"][:] = 128
    queues = random.integers(0, 130, rows)
    made["listener.queue"][:] = queues
    made["listener.accepted"][:] = random.integers(0, 1000, rows)
    made["listener.overflows"][:] = np.where(queues > 128, 7, 0)
    return _batch(LISTENER, made, {"entities": list(OWNERS), "cgroups": list(PATHS)}, columns, head)


def _batch(
    kind: Kind,
    made: dict[str, Any],
    tables: dict[str, Any],
    columns: Mapping[str, object] | None,
    head: dict[str, Any],
) -> Batch:
    for name, value in (columns or {}).items():
        made[name][:] = np.asarray(value, made[name].dtype)
    said: dict[str, Any] = {"node": "node-a", "boot": "boot-1", "seq": 0, "window": WINDOW} | head
    return Batch(kind, columns=made, tables=tables, **said)
