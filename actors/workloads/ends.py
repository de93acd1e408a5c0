"""Who is at one side of many flows, as ids: names are made once for each entity, process name or address."""

from collections.abc import Iterable, Sequence
from typing import Any, Final, cast

import numpy as np

from actors.nat.tuple_index import mixed
from model.addresses import address_text
from model.arrays import Array, concatenated
from model.batch import Batch
from model.dictionary import Dictionary
from model.enricher import Entity
from model.kinds.flow import SERVER
from model.kinds.workload import Workload
from model.kinds.workload.names import Named, WorkloadNames

#: Workloads at one side of a window's rows: there are no more than rows.
MOST: Final = 1 << 32
#: The id of an end that is not known yet.
_NOBODY: Final = 0


class Ends:
    """The ends of one side of all rows of some batches.

    :ivar ids: of the workload at each row's end: those of the same workload are the same; shape (rows,), int64.
    """

    def __init__(self, batches: Sequence[Batch], side: str, names: WorkloadNames) -> None:
        self._known: Dictionary[Workload | None] = Dictionary(None, MOST)
        self._places: Dictionary[tuple[str, ...]] = Dictionary(names.nowhere, MOST)
        self._end = names.end
        entities, rows = _entities(batches, f"{side}.entity.index")
        found, same = _different(names.all(entities))
        rows = same[rows]
        workloads = self._known.ids(each.workload for each in found)
        self.ids: np.ndarray = workloads.astype(np.int64)[rows]
        self._addresses = np.zeros(0, "V16")
        self._address_places = np.zeros(0, np.int64)
        self._domains = np.zeros(0, np.int64)  # ids
        unnamed = np.flatnonzero(self.ids == _NOBODY)
        if len(unnamed):
            self._name(batches, side, found, rows, unnamed)

    def __len__(self) -> int:
        return len(self._known) + len(self._addresses)

    def workloads(self, ids: Iterable[int]) -> list[Workload]:
        """Who has these ids."""
        known = cast(list[Workload], self._known.values)
        count = len(known)
        return [known[id_] if id_ < count else self._by_address(id_ - count) for id_ in ids]

    def _by_address(self, index: int) -> Workload:
        place = self._places.values[self._address_places[index]]
        named: Workload = self._end(address_text(self._addresses[index].tobytes()), "address", "", *place)
        return named

    def known(self, ids: np.ndarray) -> np.ndarray:
        """Which are more than an address or a name of one; shape of ``ids``, bool."""
        marked: np.ndarray = (ids < len(self._known)) & ~np.isin(ids, self._domains)
        return marked

    def _name(
        self,
        batches: Sequence[Batch],
        side: str,
        found: Sequence[Named],
        rows: np.ndarray,
        unnamed: np.ndarray,
    ) -> None:
        """Ends whose entity names no workload: by process, else by machine, else by address."""
        machines = self._known.ids(each.machine for each in found)
        places = self._places.ids(each.place for each in found)[rows[unnamed]]
        comms = joined(batches, f"{side}.process.comm")[unnamed]
        self.ids[unnamed] = machines[rows[unnamed]]
        if side == SERVER:
            guessed = np.array([each.guessed or each.machine is None for each in found])[rows[unnamed]]
            self._name_domains(batches, unnamed, places, guessed)
        self._name_processes(unnamed, comms, places)
        nameless = self.ids[unnamed] == _NOBODY
        if nameless.any():
            addresses = joined(batches, f"{side}.address")[unnamed]
            self._name_by_address(unnamed[nameless], addresses[nameless], places[nameless])

    def _name_processes(self, rows: np.ndarray, comms: Array, places: np.ndarray) -> None:
        called = comms != b""
        rows, comms, places = rows[called], comms[called], places[called]
        some, same = distinct(comms, places)
        at = self._places.values
        processes = (
            self._end(comm.decode(errors="replace"), "process", "", *at[place])
            for comm, place in zip(comms[some].tolist(), places[some].tolist(), strict=True)
        )
        self.ids[rows] = self._known.ids(processes)[same]

    def _name_domains(
        self, batches: Sequence[Batch], rows: np.ndarray, places: np.ndarray, guessed: np.ndarray
    ) -> None:
        """Those of which no machine is known for sure, by the name by which their clients know them."""
        if all(len(batch.tables["names"]) <= 1 for batch in batches):
            return
        texts, index = one_table(batches, "names", f"{SERVER}.name.index")
        index = index[rows]
        called = np.flatnonzero(guessed & (index != 0))
        keys = index[called].astype(np.int64) * len(self._places) + places[called]
        different, same = np.unique(keys, return_inverse=True)
        pairs = (divmod(key, len(self._places)) for key in different.tolist())
        domains = [self._end(texts[text], "domain", "", *self._places.values[place]) for text, place in pairs]
        self._domains = self._known.ids(domains).astype(np.int64)
        self.ids[rows[called]] = self._domains[same]

    def _name_by_address(self, rows: np.ndarray, addresses: Array, places: np.ndarray) -> None:
        """Their texts are made for those alone that get a row."""
        some, same = distinct(addresses, places)
        self.ids[rows] = len(self._known) + same
        self._addresses, self._address_places = addresses[some], places[some]


def distinct(values: Array, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A row for each different pair of 16 bytes and a place, and which of these rows each row is like."""
    words = np.empty((len(values), 3), np.uint64)
    words[:, :2] = np.ascontiguousarray(values).view(np.uint64).reshape(-1, 2)
    words[:, 2] = places
    some, same = _representatives(mixed(words))
    if (words[some[same]] != words).any():  # two hashes met
        some, same = _representatives(words)
    return some, same


def _representatives(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    different, same = np.unique(values, axis=0, return_inverse=True)
    some = np.empty(len(different), np.int64)
    some[same.reshape(-1)] = np.arange(len(values))
    return some, same.reshape(-1)


def one_table(batches: Sequence[Batch], table: str, index: str) -> tuple[list[Any], np.ndarray]:
    """The tables of all batches as one without repetitions, and each row's place in it; chunks share a table."""
    whole = Dictionary(batches[0].tables[table][0], MOST)
    numbers: dict[int, np.ndarray] = {}
    rows = []
    for batch in batches:
        values = batch.tables[table]
        if id(values) not in numbers:
            numbers[id(values)] = whole.ids(values)
        rows.append(numbers[id(values)][batch.columns[index]])
    return whole.values, np.concatenate(rows)


def joined(batches: Sequence[Batch], name: str) -> Array:
    """A column of all batches."""
    return concatenated([batch.columns[name] for batch in batches])


def _different(found: Sequence[Named]) -> tuple[list[Named], np.ndarray]:
    """The objects that are different, and which of these each one is."""
    keys = list(map(id, found))
    different = dict(zip(keys, found, strict=True))
    places = dict(zip(different, range(len(different)), strict=True))
    return list(different.values()), np.array(list(map(places.__getitem__, keys)), np.int64)


def _entities(batches: Sequence[Batch], name: str) -> tuple[list[Entity], np.ndarray]:
    """The tables of all batches as one, and the place of each row's entity in it; chunks share a table."""
    begins: dict[int, int] = {}
    entities: list[Entity] = []
    for batch in batches:
        if id(batch.tables["entities"]) not in begins:
            begins[id(batch.tables["entities"])] = len(entities)
            entities += batch.tables["entities"]
    rows = [batch.columns[name].astype(np.int64) + begins[id(batch.tables["entities"])] for batch in batches]
    return entities, concatenated(rows)
