"""Exchanges of a second as counted queries: cells of those that are alike, and addresses that names had."""

from typing import Final

import numpy as np

from probes.dns.exchanges import NO_ANSWER
from probes.dns.hashes import hashed_columns
from probes.dns.names import OTHER
from probes.kernel.layout import enums, rows_where, structs

CELL: Final = structs("dns")["query_cell"]
ANSWER: Final = structs("dns")["answer_event"]
EVENTS: Final = enums("dns")["dns_event"]
_BUCKETS: Final = enums("dns")["dns_buckets"]["DNS_BUCKETS"]
#: What the first bucket is twice as wide as, in ns.
_UNIT_NS: Final = 8192
_KEY: Final = ("slot", "generation", "type", "rcode", "transport", "role")


def count(ended: np.ndarray, names: np.ndarray, at_ns: int) -> np.ndarray:
    """Cells of exchanges that are alike.

    :param ended: ``EXCHANGE``; shape (n,).
    :param names: under which hash the name of each is told.
    :return: ``CELL``.
    """
    if not len(ended):
        return np.zeros(0, CELL)
    keys = hashed_columns(names, *(ended[name] for name in _KEY))
    _, first, same = np.unique(keys, return_index=True, return_inverse=True)
    cells = np.zeros(len(first), CELL)
    heads = ended[first]
    for name in ("slot", "generation"):
        cells["header"][name] = heads[name]
    cells["header"]["kind"], cells["header"]["at_ns"] = EVENTS["KIND_QUERIES"], at_ns
    cells["name"] = names[first]
    for name in ("netns", "type", "rcode", "transport", "role"):
        cells[name] = heads[name]
    cells["queries"] = np.bincount(same)
    for field, flag in (("retries", "retry"), ("truncated", "truncated"), ("search", "search")):
        cells[field] = np.bincount(same[ended[flag]], minlength=len(first))
    _fill_latencies(cells, ended, same)
    return cells


def _fill_latencies(cells: np.ndarray, ended: np.ndarray, same: np.ndarray) -> None:
    """Of those with an answer."""
    answered = np.flatnonzero(ended["rcode"] != NO_ANSWER)
    took = np.maximum(0, ended["answered_ns"] - ended["asked_ns"])[answered]
    np.add.at(cells["latency_ns"], same[answered], took.astype(np.uint64))
    flat = same[answered] * _BUCKETS + buckets(took)
    cells["buckets"] = np.bincount(flat, minlength=len(cells) * _BUCKETS).reshape(-1, _BUCKETS)


def buckets(took_ns: np.ndarray) -> np.ndarray:
    """The bucket of each latency: the first below 2 x 8192 ns, then two for each power of two."""
    fraction, power = np.frexp(took_ns / _UNIT_NS)
    found = 2 * (power - 1) + (fraction >= 0.75) - 1
    clipped: np.ndarray = np.clip(found, 0, _BUCKETS - 1)
    return clipped


def answers(ended: np.ndarray, addresses: np.ndarray, places: np.ndarray, names: np.ndarray) -> np.ndarray:
    """Addresses that clients were told, as events; of one that is told again and again by one name the first.

    :param addresses: ``ADDRESS``.
    :param places: the exchange of each, -1 for none.
    :param names: under which hash the name of each exchange is told.
    :return: ``ANSWER``.
    """
    mine = np.flatnonzero(places >= 0)
    return told_addresses(ended[places[mine]], addresses[mine], names[places[mine]])


def told_addresses(heads: np.ndarray, addresses: np.ndarray, names: np.ndarray) -> np.ndarray:
    """Addresses that clients were told, as events, but for those of names that are not kept apart.

    :param heads: who was told each, and when: ``EXCHANGE``.
    :param addresses: with the fields ``address``, ``type`` and ``ttl``.
    :param names: under which hash the name of each is told.
    :return: ``ANSWER``.
    """
    events = np.zeros(len(heads), ANSWER)
    events["header"]["kind"] = EVENTS["KIND_DNS_ANSWER"]
    events["header"]["at_ns"] = heads["answered_ns"]
    for name in ("slot", "generation"):
        events["header"][name] = heads[name]
    for name in ("cgroup_id", "program", "tgid", "netns", "resolver"):
        events[name] = heads[name]
    events["name"] = names
    for name in ("address", "type", "ttl"):
        events[name] = addresses[name]
    events = rows_where(events, names != OTHER)
    found: np.ndarray = events[_news(events)]
    return found


def _news(events: np.ndarray) -> np.ndarray:
    """Those of which a process was told something new: not the name by which it last was told that address."""
    if not len(events):
        return np.zeros(0, np.int64)
    address = np.ascontiguousarray(events["address"]).view(np.uint64).reshape(-1, 2)
    process = events["tgid"].astype(np.uint64) << np.uint64(32) | events["netns"]
    keys = hashed_columns(process, events["program"], events["cgroup_id"], address[:, 0], address[:, 1])
    order = np.argsort(keys, kind="stable")
    new = np.ones(len(order), np.bool_)
    same = (keys[order[1:]] == keys[order[:-1]]) & (events["name"][order[1:]] == events["name"][order[:-1]])
    new[1:] = ~same
    return np.sort(order[new])
