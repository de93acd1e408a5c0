"""Short names of what people filter by, declared once for all kinds; other columns and attributes go by their own."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Name:
    """A short name.

    :param columns: ends of names of columns, and of fields that are looked up in tables; any of them may match.
    :param attributes: of whoever is at an end, likewise.
    :param added: whether the columns are added up: one value for the whole row.
    :param measure: of ``model.traffic.RowTraffic``, several are added up: one value for the whole row.
    :param example: a value, for completion and help.
    """

    meaning: str
    columns: tuple[str, ...] = ()
    attributes: tuple[str, ...] = ()
    added: bool = False
    measure: tuple[str, ...] = ()
    example: str = ""


NAMES: Final[dict[str, Name]] = {
    "process": Name(
        "name, pattern or pid of either end's process",
        ("process.comm", "process.pid"),
        ("process.executable.name",),
        example="nginx",
    ),
    "pid": Name("of either end's process", ("process.pid",), example="4711"),
    "port": Name("of either end, or called", ("port",), example="5432"),
    "address": Name("of either end, or called; also a network", ("address",), example="10.0.0.0/8"),
    "name": Name(
        "by which clients know a server (DNS, TLS); of workloads theirs; that DNS was asked for",
        ("server.name", "peer.name", "workload.name", "question.name"),
        example="api.example.com",
    ),
    "ns": Name(
        "namespace of Kubernetes, or compose project",
        ("workload.namespace",),
        ("k8s.namespace.name", "docker.compose.project"),
        example="shop",
    ),
    "pod": Name("of Kubernetes", (), ("k8s.pod.name",), example="cart-*"),
    "workload": Name(
        "deployment, service or unit", ("workload.name",), ("k8s.workload.name",), example="cart"
    ),
    "service": Name(
        "of Kubernetes, compose or a configured name",
        (),
        ("k8s.service.name", "docker.compose.service", "service.name"),
        example="postgres",
    ),
    "container": Name("name or id", (), ("container.name", "container.id"), example="shop-db-1"),
    "image": Name("of the container", (), ("container.image.name",), example="*/postgres"),
    "unit": Name("of systemd", (), ("systemd.unit",), example="nginx.service"),
    "zone": Name(
        "availability zone", ("cloud.availability_zone",), ("cloud.availability_zone",), example="eu-1a"
    ),
    "region": Name("of the cloud", (), ("cloud.region",), example="eu-central-1"),
    "version": Name("of the service", ("service.version",), ("service.version",), example="1.2"),
    "node": Name("of either end", ("node",), example="node-a"),
    "user": Name(
        "name or number of the process's user", ("user.id",), ("process.owner",), example="www-data"
    ),
    "cgroup": Name("path", ("cgroup.path",), example="*/nginx.service"),
    "error": Name(
        "of a failed connect or an abnormal end; response code of DNS",
        ("error.errno", "response.code"),
        example="ECONNREFUSED",
    ),
    "state": Name("of TCP, at either end", ("connection.state",), example="established"),
    "reason": Name(
        "why the connection ended, or a packet was dropped",
        ("connection.close_reason", "drop.reason", "drop.category"),
        example="rst_received",
    ),
    "evidence": Name("what the flow rests on", ("evidence",), example="both"),
    "transport": Name("protocol", ("network.transport",), example="tcp"),
    "id": Name(
        "of the connection, or the listener", ("connection.id", "listener.id"), example="00000000000000ab"
    ),
    "method": Name("of a request", ("http.request.method",), example="GET"),
    "route": Name("of a request", ("http.route",), example="/orders/*"),
    "host": Name("that a request asks for", ("http.host",), example="shop.test"),
    "status": Name(
        "of an answer; 5xx, a range: 500-502; 0: none", ("http.response.status_code",), example="404"
    ),
    "grpc": Name(
        "code of a call, its name, or a range: 1-16", ("rpc.grpc.status_code",), example="UNAVAILABLE"
    ),
    "protocol": Name(
        "version of HTTP; of UDP quic or dns",
        ("network.protocol.version", "network.protocol.name"),
        example="2",
    ),
    "via": Name("proxy that a request came through", ("via.name",), example="mesh/gateway"),
    "requests": Name("of HTTP", ("requests",), example="100"),
    "queries": Name("of DNS", ("queries",), example="100"),
    "tls": Name("version of TLS that the server chose", ("tls.protocol.version",), example="1.3"),
    "sni": Name(
        "the server's name in the client's TLS hello", ("tls.client.server_name",), example="*.example.com"
    ),
    "cipher": Name("of TLS", ("tls.cipher",), example="TLS_AES_128_GCM_SHA256"),
    "opened": Name("connections", ("connection.opened", "connections.opened"), example="0"),
    "closed": Name("connections", ("connection.closed", "connections.closed"), example="0"),
    "failed": Name(
        "connections, requests, or queries",
        ("connection.failed", "connections.failed", "requests.failed", "queries.failed"),
        added=True,
        example="0",
    ),
    "active": Name("connections", ("connections.active",), example="10"),
    "tx": Name("bytes to the server, or sent", ("tx_bytes",), measure=("tx_bytes",), example="1MB"),
    "rx": Name("bytes to the client, or received", ("rx_bytes",), measure=("rx_bytes",), example="1MB"),
    "bytes": Name("both ways", ("bytes",), measure=("tx_bytes", "rx_bytes"), example="1MB"),
    "rtx": Name(
        "segments sent again", ("retransmitted_segments",), measure=("retransmitted_segments",), example="10"
    ),
    "rtt": Name(
        "round trip; of workloads the mean",
        ("rtt_ns",),
        measure=("rtt_ns",),
        example="20ms",
    ),
    "connect": Name("time to connect", ("connection.connect_latency_ns",), example="100ms"),
}

#: What says when, of any kind.
SINCE: Final = "since"
UNTIL: Final = "until"
