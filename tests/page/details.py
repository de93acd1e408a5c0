"""Answers beside the map: series, moments, search, where, NAT paths."""

import math
from typing import Any

from tests.page.fleet import AT, Answer, boutique

#: Second of the deploy after which payments fail, and of the time of which nothing is known.
DEPLOY = AT - 780
GAP = (AT - 2400, AT - 2220)


def series(from_s: int, to_s: int, kept_s: int = 0) -> Answer:
    """Traffic with a gap, and failures since a deploy; about 200 steps."""
    step = max(1, (to_s - from_s) // 200)
    begins = list(range(from_s, to_s, step))
    known = [begin >= kept_s and not GAP[0] <= begin < GAP[1] for begin in begins]
    traffic = [4e7 + 1e7 * math.sin(begin / 400) + 6e6 * math.sin(begin * 1.7) for begin in begins]
    failed = [11 if begin >= DEPLOY else int(begin // step % 31 == 5) for begin in begins]
    columns = {
        name: [value if is_known else None for value, is_known in zip(values, known, strict=True)]
        for name, values in (("bytes", traffic), ("failed", failed))
    }
    return {"step_s": step, "begins_s": begins, "columns": columns}


def moments() -> Answer:
    """A deploy, an agent that came, a gap, pods."""
    found = [
        _moment(GAP[0], "gap", "", "node-3: away", GAP[1]),
        _moment(AT - 3300, "agent", "", "node-4 began to report"),
        _moment(
            DEPLOY,
            "version",
            "boutique/checkoutservice",
            "version v2.12a of boutique/checkoutservice was first seen",
        ),
        _moment(
            DEPLOY + 2,
            "instance",
            "boutique/checkoutservice",
            "pod checkoutservice-7d9f came (v2.12a, node-3)",
        ),
        _moment(
            DEPLOY + 9, "instance_gone", "boutique/checkoutservice", "pod checkoutservice-5c1b went (v2.11)"
        ),
    ]
    return {"moments": sorted(found, key=lambda moment: int(moment["at"])), "of": len(found)}


def search(words: str) -> Answer:
    """Workloads whose key has the words in it."""
    found = [
        {
            "what": "workload",
            "value": node["key"],
            "key": node["key"],
            "q": "",
            "matched": "within",
            "score": 1.0,
            "workloads": 1,
            "neighbours": 3,
            "gone": False,
            "first_s": node["first_s"],
            "last_s": node["last_s"],
        }
        for node in boutique()["nodes"]
        if words in node["key"]
    ]
    return {"found": found, "of": len(found)}


def quality() -> Answer:
    """The network is ill, and the server fails beside."""
    findings = [
        {"verdict": "network", "text": "4.1 % of segments retransmitted (normal 0.02 %)"},
        {"verdict": "network", "text": "RTT 9 times its floor (18ms over 2.0ms)"},
        {"verdict": "application", "text": "3.0 % of requests failed (normal 0.1 %)"},
    ]
    sentence = f"Network: {findings[0]['text']}, {findings[1]['text']}."
    return {
        "verdict": "network",
        "sentence": sentence,
        "findings": findings,
        "figures": [],
        "edges": 1,
        "usual": True,
    }


def where() -> Answer:
    """One version fails, zones do not matter."""
    by = [
        {
            "attribute": "client.version",
            "values": [_share("v2.12a", 37, 60, 2.0), _share("v2.11", 0, 60, 0.0)],
        },
        {"attribute": "client.zone", "values": [_share("a", 19, 61, 1.0), _share("b", 18, 59, 1.0)]},
    ]
    cause = {
        "where": {"client.version": "v2.12a"},
        "explains": 0.99,
        "score": 61.3,
        "bad": 37,
        "total": 60,
        "rate_inside": 0.62,
        "rate_outside": 0.001,
        "rate_expected": 0.001,
        "also_known_as": [],
        "began": None,
        "before": [],
    }
    same = ["client.zone", "server.zone", "server.port"]
    return {"of": "connects", "failed": 37, "attempts": 120, "causes": [cause], "not": same, "by": by}


def endpoints(by_edge: bool, direction: str) -> Answer:
    """Routes that are asked for: of one two of three requests fail; a workload calls one by gRPC."""
    rows = [
        _endpoint("GET", "/recommendations/*", 200, 3600, 0, 4_000_000),
        _endpoint("GET", "/recommendations/*", 503, 1800, 1800, 1_200_000_000),
        _endpoint("POST", "/recommendations/*/feedback", 500, 600, 600, 90_000_000),
        *(_endpoint("GET", f"/health/{number:02}", 200, 30 - number, 0, 900_000) for number in range(14)),
    ]
    if direction == "down" and not by_edge:
        rows = [_endpoint("POST", "/catalog.Products/List", 200, 4200, 0, 3_000_000) | {"grpc_status": 0}]
    requests = sum(row["requests"] for row in rows)
    return {
        "endpoints": rows,
        "of": len(rows),
        "requests": requests,
        "failed": sum(row["failed"] for row in rows),
        "cursor": None,
    }


def _endpoint(method: str, route: str, status: int, requests: int, failed: int, p99: int) -> Answer:
    took = {"p50": p99 // 3, "p99": p99}
    return {
        "client": "",
        "server": "",
        "edge": "",
        "port": None,
        "protocol": "1.1",
        "method": method,
        "route": route,
        "host": "",
        "status": status,
        "status_class": f"{status // 100}xx",
        "grpc_status": None,
        "via": "",
        "cluster": "",
        "requests": requests,
        "failed": failed,
        "rate": requests / 300,
        "request_bytes": 100 * requests,
        "response_bytes": 2000 * requests,
        "client_ns": took,
        "server_ns": took,
        "evidence": {"both": 1.0, "client": 0.0, "server": 0.0},
        "change": None,
        "first_s": AT - 300,
        "last_s": AT - 1,
    }


def instances() -> Answer:
    """Two pods, one of before the deploy."""
    old, new = ("checkoutservice-5c1b", "v2.11", "a"), ("checkoutservice-7d9f", "v2.12a", "b")
    found = [
        {
            "key": "boutique/checkoutservice",
            "node": "node-3",
            "pod": pod,
            "container": "server",
            "process": "checkout",
            "image": f"boutique/checkoutservice:{version}",
            "address": "10.8.1.4",
            "version": version,
            "zone": zone,
            "first_s": AT - 86_400 if version == "v2.11" else DEPLOY + 2,
            "last_s": AT - 1,
        }
        for pod, version, zone in (new, old)
    ]
    return {"instances": found, "of": 14}


def nat() -> Answer:
    """The way through a service of Kubernetes."""
    hops = [
        {"src": "10.8.1.4", "dst": "10.96.0.17:50051", "rewritten_by": "", "service": "paymentservice"},
        {
            "src": "",
            "dst": "10.8.2.9:50051",
            "rewritten_by": "node-3",
            "service": "pod paymentservice-7d9",
        },
    ]
    chain = {
        "edge": "5>11:50051",
        "client": "boutique/checkoutservice",
        "server": "boutique/paymentservice",
        "hops": hops,
        "flows": 83,
        "both_ends": 83,
        "bytes": 51_200,
        "reply_bytes": 90_000,
        "unaccounted_bytes": 0,
        "first_s": AT - 300,
        "last_s": AT - 1,
    }
    return {"chains": [chain], "of": 1}


def _moment(at: int, what: str, key: str, text: str, to: int | None = None) -> dict[str, Any]:
    return {
        "id": f"{what}:{at}",
        "at": at,
        "to": at if to is None else to,
        "what": what,
        "key": key,
        "text": text,
    }


def _share(value: str, failed: int, attempts: int, lift: float) -> dict[str, Any]:
    rate = failed / attempts
    return {
        "value": value,
        "failed": failed,
        "attempts": attempts,
        "share": failed / 37,
        "share_of_opens": attempts / 120,
        "lift": lift,
        "rate": rate,
        "low": rate,
        "high": rate,
    }


def events() -> Answer:
    """None."""
    return {"events": [], "of": 0}


def incidents() -> Answer:
    """Nobody looks for them."""
    return {"watched": False, "changeable": False, "incidents": [], "of": 0, "open": 0}
