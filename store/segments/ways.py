"""Ways through NAT: chains of rewrites without what is another one in each connection; whole columns at a time."""

from typing import Final

import numpy as np

from model.addresses import address_text
from model.batch import Batch
from model.chains import HOP
from model.kinds.delta import flags
from model.kinds.flow import FlowEvidence
from model.kinds.flow.traffic import flow_traffic
from store.ids import mixed_ids
from store.segments.columns import Column, Lists
from store.segments.once import Once

_MINUTE: Final = 60


def ways_of(flows: Batch, named: Once) -> tuple[np.ndarray, dict[str, Column]]:
    """The way that each flow took, and rows that name those ways that the log has not.

    :param flows: all of them with a chain.
    """
    begins, hops = flows.tables["chains"].flat(flows.columns["nat.index"].astype(np.int64))
    hops = hops.copy()
    hops["source_port"] = 0  # of the caller, or chosen by a rewriting
    client = np.repeat(hops["source_address"][begins[:-1]], np.diff(begins))
    hops["source_address"][hops["source_address"] == client] = np.zeros((), "V16")  # there may be many
    ids = _hashed(begins, hops)
    new = named.new(ids)
    return ids, _named(ids[new], begins, hops, new) if len(new) else {}


def chain_rows(flows: Batch, edges: np.ndarray, ways: np.ndarray) -> dict[str, Column]:
    """Sums for each edge, way and minute."""
    columns, moved = flows.columns, flow_traffic(flows.columns)
    seconds = flows.window - columns["window.late_s"].astype(np.int64)
    begins = seconds // _MINUTE * _MINUTE
    order = np.lexsort((begins, ways, edges))
    keys = np.stack((edges, ways, begins))[:, order]
    starts = np.flatnonzero(np.concatenate(([True], (keys[:, 1:] != keys[:, :-1]).any(axis=0))))
    began = flags(columns, "connection.opened", "connection.failed", "connection.previous_id")
    both = began & (columns["evidence"] == FlowEvidence.BOTH)
    lost = np.abs(columns["bytes_unaccounted"]) + np.abs(columns["reply_bytes_unaccounted"])
    values = {
        "connections": began,
        "both_ends": both,
        "bytes": moved.tx_bytes,
        "reply_bytes": moved.rx_bytes,
        "unaccounted_bytes": np.where(columns["connection.closed"] != 0, lost, 0),
    }
    sums = {name: np.add.reduceat(value[order].astype(np.int64), starts) for name, value in values.items()}
    return {
        **dict(zip(("edge", "way", "begin_s"), keys[:, starts], strict=True)),
        "first_s": np.minimum.reduceat(seconds[order], starts),
        "last_s": np.maximum.reduceat(seconds[order], starts),
        **sums,
        "part": np.zeros(len(starts), np.int64),
    }


def _hashed(begins: np.ndarray, hops: np.ndarray) -> np.ndarray:
    """An id for each chain, from its hops; int64."""
    padded = np.zeros((len(hops), 40), np.uint8)
    padded[:, : HOP.itemsize] = np.ascontiguousarray(hops).view(np.uint8).reshape(-1, HOP.itemsize)
    words = padded.view(np.uint64)
    each = mixed_ids(*words.T)
    lengths = np.diff(begins)
    found = np.zeros(len(lengths), np.int64)
    for place in range(int(lengths.max(initial=0))):
        there = np.flatnonzero(lengths > place)
        found[there] = mixed_ids(found[there], each[begins[:-1][there] + place])
    return found


def _named(ids: np.ndarray, begins: np.ndarray, hops: np.ndarray, rows: np.ndarray) -> dict[str, Column]:
    """Their hops as lists."""
    mine = [hops[begins[row] : begins[row + 1]] for row in rows.tolist()]
    offsets = np.concatenate(([0], np.cumsum([len(each) for each in mine]))).astype(np.int64)
    flat = np.concatenate([each.view("V36") for each in mine]).view(HOP)
    sources = [address_text(each.tobytes()) if any(each.tobytes()) else "" for each in flat["source_address"]]
    destinations = [address_text(each.tobytes()) for each in flat["destination_address"]]
    nothing = np.zeros(len(ids), np.int64)
    return {
        "id": ids,
        "sources": Lists(offsets, sources),
        "destinations": Lists(offsets, destinations),
        "ports": Lists(offsets, flat["destination_port"].astype("<u2")),
        "rewriters": Lists(offsets, [""] * len(flat)),
        "first_s": nothing,
        "last_s": nothing,
        "part": nothing,
    }
