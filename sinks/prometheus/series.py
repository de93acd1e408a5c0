"""Series of workload pairs: counters in columns, found by whole batches; bounded, and ended after silence."""

from typing import Final

import numpy as np

from model.arrays import Array
from model.batch import Batch
from model.dictionary import Dictionary
from model.histogram import SCALE, Histograms
from model.kinds.workload import FAILURES, PARTS, Workload
from model.rows.words import printable
from model.transport import Transport
from sinks.prometheus.exposition import BOUNDS, COUNTERS, EXPONENTS, MEASURES, escaped

#: The pair of all that found no room.
OTHER: Final = 0
#: Ids of workloads take so many bits of a key; the port and the transport take the others.
_ID_BITS: Final = 20
_NO_KEYS: Final = np.zeros(0, np.uint64)


class Series:
    """What is known of each pair.

    :param limit: pairs, beside the one of all others; new ones beyond are counted there.
    :param parts: of workloads that are labels, by their places in ``PARTS``.
    :ivar folded: rows that were counted as ``other``.
    """

    def __init__(self, limit: int, parts: tuple[int, ...]) -> None:
        self.folded = 0
        self._limit = limit
        self._parts = parts
        self._workloads: Dictionary[tuple[str, ...]] = Dictionary(
            tuple("other" if PARTS[part].endswith(("name", "kind")) else "" for part in parts), 1 << _ID_BITS
        )
        size = limit + 1
        self._counters = np.zeros((len(COUNTERS), size), np.uint64)
        self._sums = np.zeros((len(MEASURES), size), np.uint64)
        self._buckets = np.zeros((len(MEASURES), size, len(BOUNDS)), np.uint64)
        self._seen = np.full(size, -1, np.int64)
        self._labels = [""] * size
        self._slots = np.zeros(0, np.int64)  # of the keys below
        self._keys = _NO_KEYS  # sorted
        self._free = list(range(limit, 0, -1))
        self._labels[OTHER] = self._label(0, 0, 0, None)

    def __len__(self) -> int:
        """Pairs, with that of all others once it has counted."""
        return len(self._keys) + int(self._seen[OTHER] >= 0)

    def add(self, batch: Batch) -> None:
        """Count the rows of a batch of workloads."""
        if not len(batch):
            return
        columns, slots = batch.columns, self._slots_of(batch)
        self._seen[slots] = np.maximum(self._seen[slots], batch.window)
        self.folded += int(np.count_nonzero(slots == OTHER))
        told = sum((columns[name] for name in FAILURES), start=np.zeros(len(batch), np.uint64))
        for place, counter in enumerate(COUNTERS):
            values = columns[counter.column]
            if counter.column == "connections.failed":
                values = np.subtract(values, np.minimum(told, values))
            np.add.at(self._counters[place], slots, values)
        for place, measure in enumerate(MEASURES):
            index = columns[f"{measure.column}.index"]
            np.add.at(self._sums[place], slots, columns[f"{measure.column}.sum"])
            add_buckets(self._buckets[place], slots, index, batch.tables["histograms"])

    def expire(self, window: int) -> None:
        """End the series of pairs that were seen before this second alone; a pair that comes back begins at 0."""
        silent = self._seen[self._slots] < window
        if not silent.any():
            return
        for slot in self._slots[silent].tolist():
            self._free.append(slot)
        gone = self._slots[silent]
        self._counters[:, gone], self._sums[:, gone], self._buckets[:, gone] = 0, 0, 0
        self._seen[gone] = -1
        self._keys, self._slots = self._keys[~silent], self._slots[~silent]
        if self._workloads.full:
            used = (
                self._keys >> np.uint64(64 - _ID_BITS),
                (self._keys >> np.uint64(24)) & np.uint64((1 << _ID_BITS) - 1),
            )
            self._workloads.release(np.concatenate(used))

    def shown(self) -> np.ndarray:
        """The slots of series that there are."""
        return np.sort(np.append(self._slots, OTHER)) if self._seen[OTHER] >= 0 else np.sort(self._slots)

    def labels(self, slots: np.ndarray) -> list[str]:
        """The labels of these, as text."""
        return [self._labels[slot] for slot in slots.tolist()]

    def counts(self, counter: int, slots: np.ndarray) -> Array:
        """What a counter of ``COUNTERS`` has for these."""
        found: Array = self._counters[counter, slots]
        return found

    def measured(self, measure: int, slots: np.ndarray) -> tuple[Array, np.ndarray]:
        """Sums and buckets of a measure of ``MEASURES``."""
        return self._sums[measure, slots], self._buckets[measure, slots]

    def _slots_of(self, batch: Batch) -> np.ndarray:
        """That of each row; new pairs get one, as long as there is room."""
        columns = batch.columns
        known = self._ids(batch.tables["workloads"])
        keys = known[columns["client.workload.index"]] << np.uint64(64 - _ID_BITS)
        keys |= known[columns["server.workload.index"]] << np.uint64(24)
        keys |= columns["server.port"].astype(np.uint64) << np.uint64(8)
        keys |= columns["network.transport"].astype(np.uint64)
        places = np.searchsorted(self._keys, keys)
        found = np.zeros(len(keys), np.bool_)
        within = places < len(self._keys)
        found[within] = self._keys[places[within]] == keys[within]
        if not found.all():
            self._begin(np.unique(keys[~found]))
            places = np.minimum(np.searchsorted(self._keys, keys), max(0, len(self._keys) - 1))
            found = self._keys[places] == keys if len(self._keys) else np.zeros(len(keys), np.bool_)
        slots = np.full(len(keys), OTHER, np.int64)
        slots[found] = self._slots[places[found]]
        return slots

    def _begin(self, keys: np.ndarray) -> None:
        """Series for new pairs, as many as there is room for."""
        keys = keys[keys >> np.uint64(24) != 0][
            : len(self._free)
        ]  # of others on both sides: they have theirs
        slots = np.array([self._free.pop() for _ in range(len(keys))], np.int64)
        for slot, key in zip(slots.tolist(), keys.tolist(), strict=True):
            client, server = key >> (64 - _ID_BITS), (key >> 24) & ((1 << _ID_BITS) - 1)
            self._labels[slot] = self._label(client, server, (key >> 8) & 0xFFFF, key & 0xFF)
        self._keys = np.concatenate((self._keys, keys))
        self._slots = np.concatenate((self._slots, slots))
        order = np.argsort(self._keys)
        self._keys, self._slots = self._keys[order], self._slots[order]

    def _ids(self, workloads: list[Workload]) -> np.ndarray:
        """Of each workload of a table, by the parts that are labels."""
        parts = self._parts
        named = [tuple(workload[part] for part in parts) for workload in workloads[1:]]
        return np.append(np.zeros(1, np.uint64), self._workloads.ids(named).astype(np.uint64))

    def _label(self, client: int, server: int, port: int, transport: int | None) -> str:
        texts = [
            f'{side}_{PARTS[part].replace(".", "_")}="{escaped(printable(text))}"'
            for side, number in (("client", client), ("server", server))
            for part, text in zip(self._parts, self._workloads.values[number], strict=True)
            if text
        ]
        if transport is not None:
            name = Transport(transport).name.lower() if transport in list(Transport) else str(transport)
            texts += [f'server_port="{port}"', f'network_transport="{name}"']
        return ",".join(texts)


def add_buckets(buckets: np.ndarray, slots: np.ndarray, index: Array, table: Histograms) -> None:
    """What histograms of rows hold, into the wider buckets of their series."""
    lengths = np.diff(table.begins)[index]
    total = int(lengths.sum())
    if not total:
        return
    begins = table.begins[index]
    places = np.repeat(begins - np.concatenate(([0], np.cumsum(lengths)[:-1])), lengths) + np.arange(total)
    # bucket i ends at 2 ** ((i + 1) / 2 ** SCALE) nanoseconds
    wide = np.searchsorted(np.array(EXPONENTS) << SCALE, table.buckets[places] + 1)
    flat = buckets.reshape(-1)
    np.add.at(flat, np.repeat(slots, lengths) * len(BOUNDS) + wide, table.counts[places].astype(np.uint64))
