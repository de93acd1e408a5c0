"""NAT events and delta rows that tests write by hand."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from model.addresses import address_bytes
from model.arrays import Columns
from model.batch import Batch
from model.kinds.delta import DELTA, Role
from probes.kernel.layout import structs
from tailrace.testing.deltas import unresolved
from tests.declared import KIND

#: Address and port.
End = tuple[str, int]


def nat_event(
    called: tuple[End, End],
    seen: tuple[End, End],
    *,
    at_ns: int = 0,
    latest_at_ns: int = 0,
    deleted: bool = False,
    netns: int = 1,
    protocol: int = 6,
) -> np.ndarray:
    """Conntrack rewrites ``called`` (source, destination) into ``seen``; shape (1,), ``struct nat_event``."""
    events = np.zeros(1, structs("conntrack")["nat_event"])
    event = events[0]
    event["header"]["kind"] = KIND["KIND_NAT_DELETED" if deleted else "KIND_NAT_NEW"]
    event["header"]["at_ns"], event["latest_at_ns"] = at_ns, latest_at_ns
    _fill(event["original"], *called)
    _fill(event["reply"], *reversed(seen))
    event["netns"], event["protocol"], event["family"] = netns, protocol, 4
    return events


def end_of_namespace(netns: int, at_ns: int = 0) -> np.ndarray:
    """All entries of a namespace end unless they come again."""
    return of_all("KIND_NAT_DELETED", at_ns, netns=netns)


def of_all(kind: str, at_ns: int = 0, latest_at_ns: int = 0, *, netns: int = 0) -> np.ndarray:
    """What is said of all entries, by the name of its kind."""
    events = np.zeros(1, structs("conntrack")["nat_event"])
    events["header"]["kind"], events["header"]["at_ns"] = KIND[kind], at_ns
    events["latest_at_ns"], events["netns"] = latest_at_ns, netns
    return events


def _fill(to: Any, source: End, destination: End) -> None:
    to["source_address"], to["source_port"] = np.void(address_bytes(source[0])), source[1]
    to["destination_address"], to["destination_port"] = np.void(address_bytes(destination[0])), destination[1]


def socket_row(local: End, peer: End, role: Role = Role.CLIENT, **values: Any) -> dict[str, Any]:
    """One delta row by column, with dots written as ``__``."""
    row: dict[str, Any] = {
        "network.type": 4,
        "network.local.address": np.void(address_bytes(local[0])),
        "network.local.port": local[1],
        "network.peer.address": np.void(address_bytes(peer[0])),
        "network.peer.port": peer[1],
        "connection.role": role,
        "netns.id": 1,
    }
    return row | {name.replace("__", "."): value for name, value in values.items()}


def columns_of(rows: Sequence[dict[str, Any]]) -> Columns:
    """Delta columns of rows."""
    columns = DELTA.empty(len(rows))
    for place, row in enumerate(rows):
        for name, value in row.items():
            columns[name][place] = value
    return columns


def batch_of(
    rows: Sequence[dict[str, Any]], window: int, *, node: str = "n", seq: int = 0, **fields: Any
) -> Batch:
    """A batch of rows that nothing rewrote."""
    return Batch(DELTA, node, f"boot-{node}", seq, window, unresolved(columns_of(rows)), **fields)
