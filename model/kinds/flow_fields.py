"""Flow rows as they are written: the columns under the names of the schema, values as ``model.rows.values`` says.

``node``, ``boot``, ``seq`` and ``window`` are those of the batch; a late row's own second is ``window`` -
``window.late_s``. What is written differently from the column:

- ``connection.id`` is text, 16 hexadecimal digits; ``service.port.name`` is said of well-known ports;
- ``nat.index`` becomes ``nat``, a list of tuples, if anything was rewritten;
- ``client.node.index`` becomes ``client.node`` and ``client.boot``; ``client.seq`` stands beside
  ``client.reported``, which is true or not there; ``server`` likewise.

Left out is what is 0, false or empty, but for addresses and ports. Of an end whose socket is not known, nothing but
address and port is there.
"""

from collections.abc import Callable, Iterator
from typing import Final

import numpy as np

from model.kinds.delta import Columns
from model.kinds.flow import END_COLUMNS, FLOW_COLUMNS, SIDES, FlowEvidence
from model.kinds.flow_batch import FlowBatch
from model.rows import values as row_values
from model.rows import words
from model.rows.format import ALWAYS, Field, RowFormat
from model.rows.values import Values

#: They say which connection a row is about.
_IDENTITY: Final = (
    "connection.id",
    "network.transport",
    "network.type",
    "client.address",
    "client.port",
    "service.address",
    "service.port",
    "server.address",
    "server.port",
    "evidence",
)
_EVIDENCE: Final = words.words_of(FlowEvidence)

FlowField = Field[FlowBatch]


def _identity(name: str) -> FlowField:
    values: Callable[[np.ndarray], Values] = row_values.plain_values(name, FLOW_COLUMNS[name])
    if name == "connection.id":
        values = row_values.hexadecimals
    elif name == "evidence":
        values = row_values.coded(_EVIDENCE)
    elif name.endswith("address"):
        values = row_values.any_addresses
    return Field(name, lambda batch: values(batch.columns[name]), ALWAYS)


def _optional(name: str) -> FlowField:
    if name == "nat.index":
        return Field("nat", lambda batch: row_values.chains(batch.columns[name], batch), ALWAYS)
    kind = FLOW_COLUMNS[name]
    values = row_values.plain_values(name, kind)
    return Field(name, lambda batch: values(batch.columns[name]), "" if kind[0] == "S" else 0)


def _end(side: str, bare: str) -> Iterator[FlowField]:
    """What becomes of a column of one end.

    :param side: ``client.`` or ``server.``.
    """
    name = side + bare
    if bare == "node.index":
        yield Field(f"{side}node", lambda batch: _nodes(batch, name, 0), "")
        yield Field(f"{side}boot", lambda batch: _nodes(batch, name, 1), "")
    elif bare == "cgroup.index":
        yield Field(f"{side}cgroup.path", lambda batch: row_values.paths(batch.columns[name], batch), "")
    elif bare == "entity.index":
        yield Field(f"{side}entity", lambda batch: row_values.entities(batch.columns[name], batch), ALWAYS)
    elif bare == "seq":
        yield _where(name, lambda columns: columns[f"{side}reported"] != 0)
    elif bare == "socket.slot":
        yield Field(name, lambda batch: _slots(batch.columns, side), ALWAYS)
    elif bare == "socket.generation":
        yield _where(name, lambda columns: known(columns, side))
    elif bare == "user.id":
        yield Field(name, lambda batch: row_values.users(batch.columns, side), ALWAYS)
    else:
        yield _optional(name)
    if bare == "error.errno":
        yield Field(f"{side}error.type", lambda batch: row_values.error_types(batch.columns[name]), "")


def _where(name: str, marked: Callable[[Columns], np.ndarray]) -> FlowField:
    """Numbers that are written in the marked rows, also if they are 0."""
    return Field(
        name,
        lambda batch: row_values.only(batch.columns[name].tolist(), marked(batch.columns)),
        ALWAYS,
    )


def known(columns: Columns, side: str) -> np.ndarray:
    """Of which rows the end's socket is known; every socket has a network namespace. Shape (n,), bool."""
    marked: np.ndarray = (columns[f"{side}reported"] != 0) | (columns[f"{side}netns.id"] != 0)
    return marked


def _slots(columns: Columns, side: str) -> Values:
    return row_values.only(row_values.slots(columns[f"{side}socket.slot"]), known(columns, side))


def _nodes(batch: FlowBatch, name: str, part: int) -> Values:
    table = [node[part] for node in batch.nodes]
    return [table[index] for index in batch.columns[name].tolist()]


def _fields() -> Iterator[FlowField]:
    """All columns, so that one added to the schema is written without further ado."""
    yield from map(_identity, _IDENTITY)
    yield Field("service.port.name", lambda batch: row_values.port_names(batch.columns["service.port"]), "")
    for name in FLOW_COLUMNS:
        side, _, bare = name.partition(".")
        if side in SIDES and bare in END_COLUMNS:
            yield from _end(f"{side}.", bare)
        elif name not in _IDENTITY:
            yield _optional(name)


FLOW_ROWS: Final = RowFormat[FlowBatch]("flow", list(_fields()))
