"""Events of conntrack's entries in columns: their tuples as keys, their times, the order of those of one tuple."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Final

import numpy as np

from actors.nat.tuple_index import hashed, make_keys
from model.chains import HOP

#: Events taken at once: some milliseconds.
RUN: Final = 4096

#: struct nat_event → HOP: a reply comes from where the connection went to.
_FORWARD = ("source_address", "destination_address", "source_port", "destination_port")
_REVERSED = ("destination_address", "source_address", "destination_port", "source_port")


def parts(events: np.ndarray) -> Iterator[np.ndarray]:
    """Stretches of events of one entry each, or of all entries, at most ``RUN`` long."""
    if not len(events):
        return
    whole = events["protocol"] == 0
    for begin, end in pairwise([0, *(np.flatnonzero(np.diff(whole)) + 1).tolist(), len(events)]):
        for first in range(begin, end, RUN):
            yield events[first : min(first + RUN, end)]


def turns(keys: np.ndarray) -> Iterator[np.ndarray]:
    """Rows in turns of which none has a key twice, each row after those before it with the same key.

    Keys are told apart by half of their hash: two that share it by chance take turns, no harm.
    """
    yield from turns_of(hashed(keys))


def turns_of(hashes: np.ndarray) -> Iterator[np.ndarray]:
    """The same by the upper halves of ``hashes``; shape (n,), uint64."""
    places = np.arange(len(hashes))
    ordered = hashes & np.uint64(0xFFFFFFFF00000000) | places.astype(np.uint64)
    ordered.sort()  # as a stable argsort gives it, in a tenth of its time
    order, halves = (ordered & np.uint64(0xFFFFFFFF)).astype(np.int64), ordered >> np.uint64(32)
    again = np.diff(halves, prepend=~halves[:1]) == 0
    number = np.zeros(len(hashes), np.int64)
    number[order] = places - np.maximum.accumulate(np.where(again, 0, places))
    for turn in range(int(number.max(initial=-1)) + 1):
        yield np.flatnonzero(number == turn)


def times_of(events: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """When what each event tells of happened, at the earliest and at the latest; both of shape (n,), int64."""
    at_ns, latest_ns = events["header"]["at_ns"].astype(np.int64), events["latest_at_ns"].astype(np.int64)
    return at_ns, np.where(latest_ns != 0, latest_ns, at_ns)


def keys_of(events: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """O and T of ``struct nat_event`` rows, as keys."""
    netns, protocol = events["netns"], events["protocol"]
    called, seen = np.empty(len(events), HOP), np.empty(len(events), HOP)
    for name, mirrored in zip(_FORWARD, _REVERSED, strict=True):
        called[name] = events["original"][name]
        seen[name] = events["reply"][mirrored]
    return make_keys(called, protocol, netns), make_keys(seen, protocol, netns)
