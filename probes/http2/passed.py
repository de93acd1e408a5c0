"""Answers that a proxy passed on to clients of HTTP/2: by stream, then as ``struct link_cell``. Pure."""

from typing import Final

import numpy as np

from probes.http2.blocks import TYPES, words_of
from probes.http2.connections import Connections
from probes.http2.counted import CELL, digests, fill_socket, kinds_of
from probes.http2.streams import Passed, keys_of
from probes.kernel.layout import enums, rows_at, structs

LINK: Final = structs("http")["link_cell"]
_KIND: Final = enums("http")["http_event"]["KIND_LINKS"]
_ROLE: Final = enums("http")["proxy_role"]["ROLE_PROXY"]


def passed_of(records: np.ndarray, rows: np.ndarray) -> Passed:
    """What records say of such answers.

    :param rows: of their connections.
    """
    told = np.flatnonzero(records["type"] == TYPES["HTTP2_PASSED"])
    words = words_of(rows_at(records, told), "<u8")
    return Passed(keys_of(rows[told], records["stream"][told]), words[:, 0], words[:, 1], words[:, 2])


def linked(ended: np.ndarray, connections: Connections) -> np.ndarray:
    """One cell for each kind of request of each pair of sockets: ``struct link_cell``, as cells; shape (kinds,).

    :param ended: ``STREAM``; those that a proxy passed on are taken.
    """
    ended = ended[ended["upstream"] > 0]
    if not len(ended):
        return np.zeros(0, CELL)
    rows = (ended["key"] >> np.uint64(32)).astype(np.int64)
    kinds = kinds_of(ended, rows) | {"upstream": ended["upstream"]}
    del kinds["host"]
    _, first, kind = np.unique(digests(kinds), return_index=True, return_inverse=True)
    cells = np.zeros(len(first), LINK)
    for name in ("path", "upstream", "status", "method", "protocol", "grpc_status"):
        cells[name] = kinds[name][first]
    fill_socket(cells, _KIND, connections, rows[first])
    cells["role"] = _ROLE
    cells["requests"] = np.bincount(kind, minlength=len(first))
    _time(cells, kind, ended)
    return cells.view(CELL)


def _time(cells: np.ndarray, kind: np.ndarray, ended: np.ndarray) -> None:
    """Sums up where time went, of answers whose head was seen to leave."""
    marks = [ended[name].astype(np.int64) for name in ("request_ns", "upstream_ns", "upstream_answer_ns")]
    came, began, answered = marks
    left = ended["answer_ns"].astype(np.int64)
    timed = np.flatnonzero((came > 0) & (came <= began) & (began <= answered) & (answered <= left))
    for name, span in (
        ("total_ns", left - came),
        ("before_ns", began - came),
        ("upstream_ns", answered - began),
    ):
        np.add.at(cells[name], kind[timed], span[timed].astype(np.uint64))
    cells["timed"] = np.bincount(kind[timed], minlength=len(cells))
