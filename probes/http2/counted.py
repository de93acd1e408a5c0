"""Requests that ended, counted: those of a socket that are alike are one ``struct request_cell``. Pure."""

import time
from typing import Final

import numpy as np

from probes.http2.connections import Connections
from probes.http2.fields import Content
from probes.kernel.layout import enums, structs

CELL: Final = structs("http")["request_cell"]
_BUCKETS: Final = enums("http")["http_buckets"]["HTTP_BUCKETS"]
_PROTOCOLS: Final = enums("http")["http_protocol"]
_NO_GRPC_STATUS: Final = enums("http")["grpc_status"]["GRPC_NONE"]
_KIND: Final = enums("http")["http_event"]["KIND_REQUESTS"]
#: The narrowest buckets of a latency are so many bits of nanoseconds wide (bpf/http/count.h).
_STEP_BITS: Final = 13
_MIX: Final = np.random.default_rng().integers(1, 1 << 63, 8, np.uint64) | np.uint64(1)


def counted(ended: np.ndarray, connections: Connections) -> np.ndarray:
    """One cell for each kind of request of each socket: ``struct request_cell``; shape (kinds,).

    :param ended: ``STREAM``; shape (n,).
    """
    if not len(ended):
        return np.zeros(0, CELL)
    rows = (ended["key"] >> np.uint64(32)).astype(np.int64)
    kinds = kinds_of(ended, rows)
    _, first, kind = np.unique(digests(kinds), return_index=True, return_inverse=True)
    cells = np.zeros(len(first), CELL)
    for name in ("path", "host", "status", "method", "protocol", "grpc_status"):
        cells[name] = kinds[name][first]
    at = rows[first]
    fill_socket(cells, _KIND, connections, at)
    cells["role"] = connections.end[at] >> 1  # enum role
    cells["requests"] = np.bincount(kind, minlength=len(first))
    for name in ("request_bytes", "response_bytes"):
        np.add.at(cells[name], kind, ended[name])
    _time(cells, kind, ended)
    return cells


def fill_socket(cells: np.ndarray, kind: int, connections: Connections, rows: np.ndarray) -> None:
    """Says of cells of what kind of event they are, and of which socket.

    :param rows: of their connections.
    """
    header = cells["header"]
    header["kind"], header["at_ns"] = kind, time.monotonic_ns()
    header["slot"], header["generation"] = connections.slot[rows], connections.generation[rows]
    cells["netns"] = connections.netns[rows]


def kinds_of(ended: np.ndarray, rows: np.ndarray) -> dict[str, np.ndarray]:
    """What requests of one cell have in common."""
    grpc = (ended["content"] == Content.GRPC) | (ended["grpc_status"] > 0)
    told = grpc & (ended["grpc_status"] > 0)
    return {
        "row": rows,
        "path": ended["path"],
        "host": ended["host"],
        "status": ended["status"],
        "method": ended["method"],
        "protocol": np.where(grpc, _PROTOCOLS["PROTOCOL_GRPC"], _PROTOCOLS["PROTOCOL_HTTP2"]),
        "grpc_status": np.where(told, ended["grpc_status"].astype(np.int64) - 1, _NO_GRPC_STATUS),
    }


def digests(kinds: dict[str, np.ndarray]) -> np.ndarray:
    """A number for each request, equal for those that are alike (and, but for chance of 2^-64, for no others)."""
    mixed = np.zeros(len(kinds["row"]), np.uint64)
    for place, column in enumerate(kinds.values()):
        mixed = (mixed ^ mixed >> np.uint64(31) ^ column.astype(np.uint64)) * _MIX[place]
    return mixed


def _time(cells: np.ndarray, kind: np.ndarray, ended: np.ndarray) -> None:
    """Sums up latencies, from head to head, and puts them into buckets."""
    timed = np.flatnonzero((ended["answer_ns"] > 0) & (ended["request_ns"] > 0))
    took = np.maximum(
        ended["answer_ns"][timed].astype(np.int64) - ended["request_ns"][timed].astype(np.int64), 0
    )
    np.add.at(cells["latency_ns"], kind[timed], took.astype(np.uint64))
    np.add.at(cells["buckets"], (kind[timed], bucket_of(took)), 1)


def bucket_of(ns: np.ndarray) -> np.ndarray:
    """The bucket of each latency (``enum http_buckets``); shape (n,), int64."""
    steps = ns >> _STEP_BITS
    power = np.frexp(steps.astype(np.float64))[1] - 1
    half = steps >> np.maximum(power - 1, 0) & 1
    return np.where(steps < 2, 0, np.minimum(2 * power + half - 1, _BUCKETS - 1)).astype(np.int64)
