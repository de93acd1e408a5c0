"""Made-up batches of any kind, for tests of sinks."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np

from model.addresses import address_bytes
from model.arrays import Array
from model.batch import Batch
from model.column import Column
from model.kind import Kind
from model.kinds.ledger import LEDGER
from model.version import VERSION
from tailrace.testing.deltas import WINDOW, make_deltas
from tailrace.testing.flows import make_flows
from tailrace.testing.packets import make_drops, make_listeners, make_queries
from tailrace.testing.requests import make_endpoints, make_requests
from tailrace.testing.workloads import make_workloads

#: Kinds whose rows are plausible together; those of other kinds are of the right types.
_MAKERS: Final[Mapping[str, Callable[..., Batch]]] = {
    "delta": make_deltas,
    "flow": make_flows,
    "workload": make_workloads,
    "request": make_requests,
    "endpoint": make_endpoints,
    "query": make_queries,
    "drop": make_drops,
    "listener": make_listeners,
}
_ADDRESSES: Final = [address_bytes(text) for text in ("10.0.7.7", "192.0.2.1", "2001:db8::1")]


def make_batch(
    kind: Kind,
    rows: int,
    *,
    seed: int = 0,
    seq: int = 0,
    window: int = WINDOW,
    text: bytes | None = None,
) -> Batch:
    """``rows`` rows of one window; the same for the same arguments.

    :param text: what stands in all places for text: names of processes, of containers and so on.
    """
    maker = _MAKERS.get(kind.name)
    settings: dict[str, Any] = {"seed": seed, "seq": seq, "window": window}
    batch = maker(rows, **settings) if maker else _of_declaration(kind, rows, **settings)
    return batch if text is None else _with_text(batch, text)


def make_ledger(
    stages: Mapping[str, Any],
    *,
    node: str = "node-a",
    seq: int = 0,
    window: int = WINDOW,
    open_sockets: int = 42,
    version: str = VERSION,
) -> Batch:
    """What a node says of losses: stages as ``docs/schema.md`` has them."""
    head = {"stages": dict(stages), "open_sockets": open_sockets, "version": version}
    return Batch(LEDGER, node, "boot-1", seq, window, {}, head=head)


def _of_declaration(kind: Kind, rows: int, *, seed: int, seq: int, window: int) -> Batch:
    """Each column on its own, from its type; tables stay empty."""
    random = np.random.default_rng(seed)
    columns = {column.name: _values(column, rows, random) for column in kind.columns}
    return Batch(kind, "node-a", "boot-1", seq, window, columns)


def _values(column: Column, rows: int, random: np.random.Generator) -> Array:
    if column.table:
        return np.zeros(rows, column.type)
    if column.codes:
        return random.choice([member.value for member in column.codes], rows).astype(column.type)
    if column.dtype.kind == "V":
        return np.array(_ADDRESSES, column.type)[random.integers(0, len(_ADDRESSES), rows)]
    if column.dtype.kind == "S":
        return np.array([b"alpha", b"beta", b"gamma"], column.type)[random.integers(0, 3, rows)]
    return random.integers(0, 100, rows).astype(column.type)


def _with_text(batch: Batch, text: bytes) -> Batch:
    """The batch with ``text`` in all columns and tables of texts; what is no UTF-8 in it is replaced in tables."""
    columns = {
        name: np.full(len(column), text, column.dtype) if column.dtype.kind == "S" else column
        for name, column in batch.columns.items()
    }
    readable = text.decode(errors="replace")
    tables = {name: _filled(table, readable) for name, table in batch.tables.items()}
    return replace(batch, columns=columns, tables=tables)


def _filled(table: Any, text: str) -> Any:
    """A table of the same length with ``text`` in it; the first value stands for nothing, and so do numbers."""
    if not isinstance(table, list):
        return table
    return [*table[:1], *(_replaced(value, text) for value in table[1:])]


def _replaced(value: Any, text: str) -> Any:
    if isinstance(value, str):
        return text
    if isinstance(value, dict):
        return dict.fromkeys(value, text)
    if isinstance(value, tuple) and all(isinstance(part, str) for part in value):
        return type(value)(*(text for _ in value))
    return value
