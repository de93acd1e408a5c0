"""Ends of UDP flows: who called, where both ends say that they did, and whose turn it is when sockets follow each
other on one tuple. Nothing in a datagram tells; a connection of TCP does."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from actors.join.flow_table import CLIENT_SIDE, FlowTable
from actors.join.rows import Rows
from actors.nat.tuple_index import NOWHERE, hashed, make_keys
from model.chains import HOP
from model.kinds.delta import Cast, Folded, flags
from model.transport import Transport

#: Sockets of one tuple that wait for each other in one second. Those beyond find the flow as it is then: one whose
#: socket has ended is theirs, else each has one of its own.
TURNS: Final = 16


@dataclass(frozen=True)
class Called:
    """What rows of new sockets say of who called whom.

    :param calls: which did; shape (n,), bool.
    :param hops: from who called to who was called; ``HOP``.
    :param keys: of these; ``KEY``.
    """

    calls: np.ndarray
    hops: np.ndarray
    keys: np.ndarray


def joinable(rows: Rows) -> np.ndarray:
    """Rows of UDP whose other end is one socket; shape (n,), bool."""
    columns = rows.columns
    one: np.ndarray = columns["network.transport"] == Transport.UDP
    if one.any():
        one = one & (columns["network.cast"] == Cast.UNICAST) & (columns["network.folded"] == Folded.NONE)
    return one


def alone(rows: Rows) -> np.ndarray:
    """Rows of UDP that have no other end, or very many; shape (n,), bool."""
    found: np.ndarray = (rows.columns["network.transport"] == Transport.UDP) & ~joinable(rows)
    return found


def agreed(rows: Rows, said: Called, table: FlowTable) -> Called:
    """The same, where both ends say that they called, or that they were, turned so that they meet.

    That happens where both are bound to ports and one was open before Tailrace started, or where a flow ended sooner
    at one end. A flow that is known stays as it is; of two new ends the higher port called, then the higher address.
    """
    mine = np.flatnonzero(joinable(rows))
    if not len(mine):
        return said
    turned_hops = _turned(said.hops.take(mine))
    netns = rows.columns["netns.id"][mine]
    turned = make_keys(turned_hops, rows.columns["network.transport"][mine], netns, rows.crc[mine])
    calls = said.calls[mine]
    meets = _in_batch(said.keys.take(mine), turned, calls)
    flips = meets & ~_downward(turned_hops)
    for side in (CLIENT_SIDE, 1 - CLIENT_SIDE):
        here = np.flatnonzero((calls == (side == CLIENT_SIDE)) & ~meets)
        known = table.waits(side, said.keys.take(mine[here]))
        flips[here] = ~known & table.waits(1 - side, turned.take(here))
    places, keys, hops = mine[flips], said.keys.copy(), said.hops.copy()
    if not len(places):
        return said
    keys.view("V48")[places] = turned.view("V48")[flips]
    hops.view("V36")[places] = turned_hops.view("V36")[flips]
    all_calls = said.calls.copy()
    all_calls[places] ^= True
    return Called(all_calls, hops, keys)


def _in_batch(keys: np.ndarray, turned: np.ndarray, calls: np.ndarray) -> np.ndarray:
    """Which have the other end among them, with the same word on who called; shape (n,), bool."""
    word = calls.astype(np.uint64)
    found: np.ndarray = np.isin(hashed(turned) ^ word, hashed(keys) ^ word)
    return found


def _turned(hops: np.ndarray) -> np.ndarray:
    turned = np.empty(len(hops), HOP)
    for part in ("address", "port"):
        turned[f"source_{part}"] = hops[f"destination_{part}"]
        turned[f"destination_{part}"] = hops[f"source_{part}"]
    return turned


def _downward(turned: np.ndarray) -> np.ndarray:
    """Which of these turned tuples lead from the lower port, then the lower address, to the higher: they are as they
    should be the other way round; shape (n,), bool."""
    source, destination = turned["source_port"], turned["destination_port"]
    ours, theirs = (
        np.ascontiguousarray(turned[f"{end}_address"]).view(">u8").reshape(-1, 2)
        for end in ("source", "destination")
    )
    lower = (ours[:, 0] < theirs[:, 0]) | ((ours[:, 0] == theirs[:, 0]) & (ours[:, 1] < theirs[:, 1]))
    found: np.ndarray = (source < destination) | ((source == destination) & lower)
    return found


def waits(rows: Rows, ends: np.ndarray, new: np.ndarray, said: Called) -> np.ndarray:
    """Which of the ``new`` rows wait for a later turn, because another socket of their end of the tuple goes first:
    one that ends now, or opened before; shape (m,), bool.

    :param ends: of all rows, NOWHERE of new ones.
    :param said: by all rows.
    """
    ones = joinable(rows)
    late = np.zeros(len(rows), np.bool_)
    ending = ones & (ends != NOWHERE) & flags(rows.columns, "connection.closed", "connection.failed")
    fresh = np.zeros(len(rows), np.bool_)
    fresh[new] = ones[new]
    mine = np.flatnonzero(ending | fresh)
    if len(mine) < 2 or not fresh.any():
        return np.zeros(len(new), np.bool_)
    opened = rows.columns["connection.opened_at_ns"][mine]
    order = mine[np.lexsort((opened, ~ending[mine]))]
    names = hashed(said.keys.take(order)) ^ said.calls[order].astype(np.uint64)
    first = np.unique(names, return_index=True)[1]
    late[order] = True
    late[order[first]] = False
    waiting: np.ndarray = late[new]
    return waiting
