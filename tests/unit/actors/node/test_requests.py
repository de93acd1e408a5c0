"""Requests of a node: what cells grew by goes with the row of their socket, or waits for it."""

import numpy as np

from actors.node.requests import CELL, NodeRequests
from model.arrays import Columns
from model.kinds.delta import NO_SLOT
from model.ledger import Stage
from probes.kernel.layout import structs


def cells(*rows: tuple[int, int, int, int]) -> np.ndarray:
    """Of (slot, generation, path, requests), each request 16,384 ns long, answered with 200."""
    made = np.zeros(len(rows), CELL)
    for cell, (slot, generation, path, count) in zip(made, rows, strict=True):
        cell["header"]["slot"], cell["header"]["generation"] = slot, generation
        cell["path"], cell["requests"], cell["status"], cell["method"] = path, count, 200, 1
        cell["latency_ns"] = count * 16384
        cell["buckets"][1] = count
    return made


def columns(*sockets: tuple[int, int]) -> Columns:
    """Rows of these sockets, by slot and generation."""
    slots, generations = zip(*sockets, strict=True) if sockets else ((), ())
    return {"socket.slot": np.array(slots, "<u4"), "socket.generation": np.array(generations, "<u4")}


def paths(**texts: int) -> np.ndarray:
    """Events that tell texts of paths."""
    made = np.zeros(len(texts), structs("http")["path_event"])
    for event, (text, key) in zip(made, texts.items(), strict=True):
        event["hash"], event["text"] = key, f"/{text}".encode()
    return made


def test_requests_go_with_the_row_of_their_socket() -> None:
    """Each socket's in a group of its own, in whatever order they come; others have none."""
    stage = Stage("requests")
    requests = NodeRequests(stage)
    requests.learn_paths(paths(cart=7, list=8))
    requests.take(cells((5, 1, 7, 3), (2, 9, 8, 1), (5, 1, 8, 4)))
    rows = columns((2, 9), (3, 1), (NO_SLOT, 1), (5, 1))
    table = requests.group(rows)
    assert rows["requests.index"].tolist() == [1, 0, 0, 2]
    places, lengths = table.places(np.array([1, 2]))
    assert lengths.tolist() == [1, 2]
    said = [table.routes[place] for place in table.columns["route"][places]]
    assert said == ["/list", "/cart", "/list"]
    assert table.columns["requests"][places].tolist() == [1, 3, 4]
    held = [table.histograms[int(place)].count for place in table.columns["histogram"][places]]
    assert held == [1, 3, 4]
    assert (stage.received, stage.delivered, stage.balanced) == (8, 8, True)


def test_hosts_protocols_and_bytes_stand_beside_them() -> None:
    """A host's text is told as a path's is; without one it is empty."""
    requests = NodeRequests(Stage("requests"))
    requests.learn_paths(paths(cart=7, shop=9))
    made = cells((5, 1, 7, 3), (5, 1, 7, 4))
    made["host"] = 9, 0
    made["protocol"], made["grpc_status"] = (1, 3), (255, 14)
    made["request_bytes"], made["response_bytes"] = (30, 40), (300, 1 << 40)
    requests.take(made)
    table = requests.group(columns((5, 1)))
    names = ("protocol", "grpc_status", "request_bytes", "response_bytes")
    assert [table.hosts[place] for place in table.columns["host"]] == ["/shop", ""]
    assert [table.columns[name].tolist() for name in names] == [[1, 3], [255, 14], [30, 40], [300, 1 << 40]]


def test_requests_wait_for_a_row_of_their_socket_and_are_dropped_at_last() -> None:
    """A socket that ends at the edge of a second has its row in the next one."""
    stage = Stage("requests")
    requests = NodeRequests(stage)
    requests.take(cells((1, 1, 0, 2), (1, 2, 0, 5)))
    assert len(requests.group(columns((4, 4)))) == 1
    assert (stage.queued, stage.balanced) == (7, True)
    rows = columns((1, 1))
    assert requests.group(rows).columns["requests"].tolist() == [2]
    requests.group(columns())
    assert (stage.dropped["socket_unknown"], stage.queued, stage.balanced) == (5, 0, True)


def test_latencies_lie_in_buckets_of_their_size() -> None:
    """Within a quarter of what the kernel measured."""
    requests = NodeRequests(Stage("requests"))
    one = cells((1, 1, 0, 1))
    for bucket in range(1, len(one["buckets"][0])):
        one["buckets"][0] = 0
        one["buckets"][0][bucket] = 1
        requests.take(one)
        table = requests.group(columns((1, 1)))
        steps = bucket + 1
        low = 8192 * 2 ** (steps // 2) * (1 + steps % 2 / 2)
        high = low + 4096 * 2 ** (steps // 2)
        assert low * 0.95 < table.histograms[1].quantile(0.5) < high * 1.05
