"""Made-up fleets as answers of the API: the same bytes each time, so that pictures can be compared."""

import random
from collections.abc import Iterable
from typing import Any, Final

#: End of the window of all answers: Sunday 29 November 2026, 03:13 UTC.
AT: Final = 1_795_921_980
WINDOW: Final = 300

Answer = dict[str, Any]

#: Who calls whom, and on which port.
_CALLS: Final = """
istio-system/ingress > boutique/frontend:8080
boutique/loadgenerator > boutique/frontend:8080
boutique/frontend > boutique/adservice:9555 boutique/cartservice:7070 boutique/checkoutservice:5050
boutique/frontend > boutique/currencyservice:7000 boutique/productcatalogservice:3550
boutique/frontend > boutique/recommendationservice:8080 boutique/shippingservice:50051 auth/session:8443
boutique/checkoutservice > boutique/cartservice:7070 boutique/currencyservice:7000 boutique/emailservice:8080
boutique/checkoutservice > boutique/paymentservice:50051 boutique/productcatalogservice:3550
boutique/checkoutservice > boutique/shippingservice:50051 orders/orders-api:8080
boutique/recommendationservice > boutique/productcatalogservice:3550
boutique/cartservice > data/redis-cart:6379
boutique/paymentservice > /203.0.113.7:443 /198.51.100.20:443
boutique/emailservice > /smtp.example.net:587
boutique/productcatalogservice > data/catalog-db:5432
boutique/adservice > data/ads-cache:11211
auth/session > auth/tokens:9000 data/users-db:5432
auth/tokens > data/vault:8200
orders/orders-api > data/orders-db:5432 data/kafka:9092
orders/invoices > data/kafka:9092 data/orders-db:5432 storage/minio:9000
orders/fulfilment > data/kafka:9092 boutique/shippingservice:50051 orders/warehouse:7000
orders/warehouse > data/warehouse-db:5432
data/orders-db > data/orders-replica:5432
data/catalog-db > storage/minio:9000
batch/nightly-report > data/orders-replica:5432 storage/minio:9000
batch/reindex > data/catalog-db:5432 data/search:9200
boutique/frontend > data/search:9200
batch/backup > data/vault:8200 storage/minio:9000
monitoring/prometheus > boutique/frontend:9090 data/kafka:9308 data/orders-db:9187
monitoring/grafana > monitoring/prometheus:9090
istio-system/ingress > monitoring/grafana:3000
orders/legacy-export > data/orders-db:5432
"""
_STATEFUL: Final = {
    "redis-cart",
    "catalog-db",
    "users-db",
    "orders-db",
    "orders-replica",
    "warehouse-db",
    "kafka",
    "vault",
}
_VERSIONS: Final = {"checkoutservice": ["v2.11", "v2.12a"], "frontend": ["v1.16"], "paymentservice": ["v1.4"]}
_ZONES: Final = {"checkoutservice": ["a", "b"], "frontend": ["a", "b"], "currencyservice": ["a", "b", "c"]}
FAILING: Final = ("boutique/checkoutservice", "boutique/paymentservice")
LOSSY: Final = ("boutique/cartservice", "data/redis-cart")
NEW: Final = ("boutique/paymentservice", "/198.51.100.20")
GONE: Final = ("orders/legacy-export", "data/orders-db")
CHANGED: Final = ("batch/reindex", "data/catalog-db")
ERRORS: Final = "boutique/recommendationservice"
SLOW: Final = ("orders/orders-api", "data/orders-db")


def answer(data: Answer, gaps: Iterable[Answer] = ()) -> Answer:
    """An envelope around an answer's data."""
    window = {"from": AT - WINDOW, "to": AT, "step_s": 1, "complete": True}
    return {"v": 1, "window": window, "ledger": {"gaps": list(gaps)}, "data": data}


def boutique(selection: str | None = None, *, against: bool = False) -> Answer:
    """A fleet around an online boutique: one edge fails, one is lossy; compared, some are new, gone or changed."""
    calls = [
        (client, server, port) for client, server, port in _parsed() if against or (client, server) != GONE
    ]
    keys = list(dict.fromkeys(key for call in calls for key in call[:2]))
    ids = {key: number for number, key in enumerate(keys, 1)}
    chance = random.Random(4)
    edges = [_edge(ids, call, chance, against) for call in calls]
    nodes = [_node(ids[key], key, edges) for key in keys]
    chosen = [ids[selection]] if selection in ids else []
    if chosen:
        _walk(nodes, edges, chosen[0])
    if against:
        for node in nodes:
            node["change"] = {"198.51.100.20": "new", GONE[0]: "gone"}.get(node["key"], "same")
    return _map(nodes, edges, chosen, of=len(nodes))


def requested(selection: str | None = None) -> Answer:
    """The boutique, with requests: two of five that the recommendations get fail."""
    data = boutique(selection)
    keys = {node["id"]: node["key"] for node in data["nodes"]}
    asked = [edge for edge in data["edges"] if keys[edge["from"]] == "boutique/frontend"]
    for place, edge in enumerate(asked):
        edge |= {"requests": 600 * (place + 1), "request_ns": {"p50": 2_100_000, "p99": 31_000_000}}
        if keys[edge["to"]] == ERRORS:
            edge |= {"requests": 6000, "requests_failed": 2400, "status": "failing"}
            edge |= {"reasons": ["failed 40 % of 6.0k requests"], "paths": [_path(keys, edge)]}
            (node,) = (each for each in data["nodes"] if each["id"] == edge["to"])
            node |= {"status": "failing", "reasons": edge["reasons"], "requests": 6000}
            node |= {"requests_failed": 2400, "request_ns": {"p50": 2_100_000, "p99": 31_000_000}}
    return data


def resolving() -> Answer:
    """The boutique with a resolver, which fails to answer an eighth of what the front end asks."""
    data = boutique()
    keys = {node["key"]: node for node in data["nodes"]}
    (edge,) = (
        each
        for each in data["edges"]
        if (each["from"], each["to"]) == (keys["boutique/frontend"]["id"], keys["data/search"]["id"])
    )
    reasons = ["failed 12 % of 4.8k queries of DNS"]
    edge |= {"port": 53, "transport": "udp", "queries": 4800, "queries_failed": 600, "status": "failing"}
    edge |= {"reasons": reasons, "datagrams": 9600, "datagrams_lost": 0, "datagrams_dropped": 0}
    keys["data/search"] |= {
        "name": "resolver",
        "key": "data/resolver",
        "status": "failing",
        "reasons": reasons,
    }
    return data


def _path(keys: dict[int, str], edge: Answer) -> Answer:
    """All of an edge's requests through one proxy."""
    client, proxy, server = keys[edge["from"]], "mesh/envoy", keys[edge["to"]]
    hops = [
        {"id": f"{place}", "client": one, "server": other, "retransmits": 3 * place, "sent": 4000}
        | {"rtt_ns": {"p50": 210_000 * (place + 1), "p99": 900_000}}
        for place, (one, other) in enumerate(((client, proxy), (proxy, server)))
    ]
    times = {"before_ns": 40_000, "upstream_ns": 1_900_000, "after_ns": 60_000}
    return {"via": [proxy], "requests": 6000, "requests_failed": 2400, **times, "hops": hops}


def fan_out(callers: int = 300) -> Answer:
    """Jobs that all call one database; three of them fail. The API shows some and counts the others."""
    chance = random.Random(7)
    keys = ["data/jobs-db", *(f"batch/job-{number}" for number in range(callers))]
    ids = {key: number for number, key in enumerate(keys, 1)}
    edges = []
    for number, key in enumerate(keys[1:]):
        edge = plain_edge(ids[key], 1, 5432, int(3e5 + 2e6 * chance.random()), 40)
        if number % 101 == 7:
            _fail(edge, 5, 12, "timed_out")
        edges.append(edge)
    nodes = [_node(ids[key], key, edges) for key in keys]
    for node in nodes[1:]:
        node |= {"hop": 1, "why": {"edge": f"{node['id']}>1:5432", "path": [1, node["id"]]}}
    return _map(nodes, edges, [1], of=callers + 1)


def huge(of: int = 10_000) -> Answer:
    """The overview of a large fleet: what fails, changed or carries most."""
    data = boutique()
    for node in data["nodes"][::5]:
        node["left_out"] = {"up": 37, "down": 0}
    return data | {"of": of, "left_out": of - data["shown"], "truncated_by": "budget"}


def nothing(of: int = 0) -> Answer:
    """No node at all."""
    return _map([], [], [], of=of)


def plain_edge(client: int, server: int, port: int, sent: int, opened: int) -> Answer:
    """An edge that is well."""
    return {
        "id": f"{client}>{server}:{port}",
        "from": client,
        "to": server,
        "port": port,
        "transport": "tcp",
        "status": "ok",
        "reasons": [],
        "bytes": sent,
        "reply_bytes": 2 * sent,
        "opened": opened,
        "closed": opened,
        "failed": 0,
        "failures": {},
        "retransmits": sent // 4_000_000,
        "sent": sent // 900 + 10,
        "dropped": 0,
        "drops": [],
        "broken": 0,
        "active": opened // 3,
        "connect_ns": {"p50": 210_000, "p99": 2_400_000},
        "rtt_ns": {"p50": 180_000, "p99": 1_900_000},
        "requests": 0,
        "requests_failed": 0,
        "request_ns": None,
        "queries": 0,
        "queries_failed": 0,
        "evidence": {"both": 1.0, "client": 0.0, "server": 0.0},
        "change": None,
        "first_s": AT - 86_400,
        "last_s": AT - 1,
        "paths": [],
    }


def _parsed() -> list[tuple[str, str, int]]:
    calls = []
    for line in _CALLS.strip().splitlines():
        client, called = line.split(" > ")
        for server in called.split():
            key, port = server.rsplit(":", 1)
            calls.append((client, key, int(port)))
    return calls


def _edge(ids: dict[str, int], call: tuple[str, str, int], chance: random.Random, against: bool) -> Answer:
    client, server, port = call
    sent = int(2.718 ** (10 + 7 * chance.random()))
    edge = plain_edge(ids[client], ids[server], port, sent, 20 + chance.randrange(400))
    pair = (client, server)
    if server.startswith("/"):
        edge["evidence"] = {"both": 0.0, "client": 1.0, "server": 0.0}
    if pair == FAILING:
        _fail(edge, 37, 83, "refused")
        edge["connect_ns"] = {"p50": 300_000, "p99": 1_043_000_000}
    if pair == LOSSY:
        edge |= {"status": "degraded", "retransmits": 2140, "sent": 61_000}
        edge["reasons"] = ["sent 3.5 % of 61k segments again"]
        rule = {
            "category": "netfilter",
            "reason": "NETFILTER_DROP",
            "hook": "FORWARD",
            "function": "nft_do_chain",
        }
        full = {"category": "qdisc", "reason": "QDISC_OVERLIMIT", "hook": "", "function": "__dev_queue_xmit"}
        edge["dropped"] = 316
        edge["drops"] = [rule | {"node": "node-3", "packets": 312}, full | {"node": "node-1", "packets": 4}]
    if against:
        edge["change"] = _change(edge, pair)
    return edge


def _fail(edge: Answer, failed: int, opened: int, reason: str) -> None:
    share = round(100 * failed / (failed + opened))
    edge |= {"status": "failing", "opened": opened, "failed": failed, "failures": {reason: failed}}
    edge["reasons"] = [f"failed {share} % of {failed + opened} opens", f"{failed} {reason.replace('_', ' ')}"]


def _change(edge: Answer, pair: tuple[str, str]) -> Answer:
    sent = edge["bytes"]
    p99 = edge["connect_ns"]["p99"]
    change = {
        "state": "same",
        "score": 0.0,
        "what": "",
        "bytes": [sent, sent],
        "failed": [edge["failed"]] * 2,
    }
    change |= {"requests": [0, 0], "requests_failed": [0, 0], "request_p99": [0, 0]}
    change |= {"opened": [edge["opened"]] * 2, "retransmits": [edge["retransmits"]] * 2, "p99": [p99, p99]}
    if pair == FAILING:
        change |= {
            "state": "changed",
            "score": 4.2,
            "what": "failures ×37",
            "failed": [0, edge["failed"]],
            "p99": [2_400_000, p99],
        }
    elif pair == NEW:
        change |= {
            "state": "new",
            "score": 3.1,
            "bytes": [0, sent],
            "opened": [0, edge["opened"]],
            "p99": [0, p99],
        }
    elif pair == GONE:
        change |= {
            "state": "gone",
            "score": 2.4,
            "bytes": [sent, 0],
            "opened": [edge["opened"], 0],
            "p99": [p99, 0],
        }
        edge |= {"bytes": 0, "reply_bytes": 0, "opened": 0, "active": 0}
    elif pair == CHANGED:
        change |= {"state": "changed", "score": 1.4, "what": "bytes ×4.2", "bytes": [int(sent / 4.2), sent]}
    elif pair == SLOW:
        edge["connect_ns"] = {"p50": 900_000, "p99": 31_000_000}
        change |= {"state": "changed", "score": 1.9, "what": "p99 ×3.1", "p99": [10_000_000, 31_000_000]}
    return change


def _node(number: int, key: str, edges: list[Answer]) -> Answer:
    namespace, name = key.split("/")
    called = [edge for edge in edges if edge["to"] == number]
    worst = next(
        (edge for level in ("failing", "degraded") for edge in called if edge["status"] == level), None
    )
    kind = "StatefulSet" if name in _STATEFUL else "Deployment"
    if not namespace:
        kind = "domain" if name[-1].isalpha() else "address"
    return {
        "id": number,
        "key": key if namespace else name,
        "name": name,
        "kind": kind,
        "namespace": namespace,
        "zones": [] if not namespace else _ZONES.get(name, ["a"]),
        "versions": [] if not namespace else _VERSIONS.get(name, ["v1.0"]),
        "hop": 0,
        "column": 0,
        "status": worst["status"] if worst else "unknown" if not namespace else "ok",
        "reasons": worst["reasons"] if worst else [],
        "why": None,
        "left_out": {"up": 0, "down": 0},
        "stack": None,
        "requests": sum(edge["requests"] for edge in called),
        "requests_failed": sum(edge["requests_failed"] for edge in called),
        "request_ns": None,
        "change": None,
        "first_s": AT - 86_400,
        "last_s": AT - 1,
    }


def _walk(nodes: list[Answer], edges: list[Answer], start: int, hops: int = 4) -> None:
    """Says of each node how it was reached."""
    by_id = {node["id"]: node for node in nodes}
    path = {start: [start]}
    for hop in range(1, hops + 1):
        for edge in edges:
            for near, far in ((edge["from"], edge["to"]), (edge["to"], edge["from"])):
                if far not in path and len(path.get(near, [])) == hop:
                    path[far] = [*path[near], far]
                    by_id[far] |= {"hop": hop, "why": {"edge": edge["id"], "path": path[far]}}


def _map(nodes: list[Answer], edges: list[Answer], selection: list[int], *, of: int) -> Answer:
    return {
        "selection": selection,
        "nodes": nodes,
        "edges": edges,
        "shown": len(nodes),
        "left_out": of - len(nodes),
        "of": of,
        "truncated_by": None,
        "group": "workload",
    }
