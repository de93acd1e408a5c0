"""Who is at one side of many flows, as numbers: names are made once for each entity, process name or address."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from actors.nat.tuple_index import mixed
from actors.workloads.names import Named, WorkloadNames
from model.addresses import address_text
from model.arrays import Array
from model.batch import Batch
from model.enricher import Entity
from model.kinds.workload import Workload

_NOBODY: Final = -1


class Ends:
    """The ends of one side of all rows of some batches.

    :ivar numbers: of the workload at each row's end: those of the same workload are the same; shape (rows,), int64.
    """

    def __init__(self, batches: Sequence[Batch], side: str, names: WorkloadNames) -> None:
        self._numbers: dict[Workload, int] = {}
        self._places: dict[tuple[str, str], int] = {}
        entities, rows = _entities(batches, f"{side}.entity.index")
        found = names.all(entities)
        workloads = np.array([self._number(each.workload) for each in found], np.int64)
        self.numbers: np.ndarray = workloads[rows]
        self._strangers = np.zeros(0, "V16")
        self._strangers_at = np.zeros(0, np.int64)
        unnamed = np.flatnonzero(self.numbers == _NOBODY)
        if len(unnamed):
            self._name(batches, side, found, rows, unnamed)
        self._workloads = list(self._numbers)

    def __len__(self) -> int:
        return len(self._numbers) + len(self._strangers)

    def workload(self, number: int) -> Workload:
        """Who has this number."""
        if number < len(self._workloads):
            return self._workloads[number]
        stranger = number - len(self._workloads)
        place = list(self._places)[self._strangers_at[stranger]]
        return Workload(address_text(self._strangers[stranger].tobytes()), "address", "", *place)

    def known(self, numbers: np.ndarray) -> np.ndarray:
        """Which are more than an address; shape of ``numbers``, bool."""
        marked: np.ndarray = numbers < len(self._numbers)
        return marked

    def _number(self, workload: Workload | None) -> int:
        return _NOBODY if workload is None else self._numbers.setdefault(workload, len(self._numbers))

    def _name(
        self,
        batches: Sequence[Batch],
        side: str,
        found: Sequence[Named],
        rows: np.ndarray,
        unnamed: np.ndarray,
    ) -> None:
        """Ends whose entity names no workload: by process, else by machine, else by address."""
        machines = np.array([self._number(each.machine) for each in found], np.int64)
        place_of = [self._places.setdefault(each.place, len(self._places)) for each in found]
        places = np.array(place_of, np.int64)[rows[unnamed]]
        comms = joined(batches, f"{side}.process.comm")[unnamed]
        self.numbers[unnamed] = machines[rows[unnamed]]
        self._name_processes(unnamed, comms, places)
        strangers = self.numbers[unnamed] == _NOBODY
        if strangers.any():
            addresses = joined(batches, f"{side}.address")[unnamed]
            self._name_strangers(unnamed[strangers], addresses[strangers], places[strangers])

    def _name_processes(self, rows: np.ndarray, comms: Array, places: np.ndarray) -> None:
        called = comms != b""
        rows, comms, places = rows[called], comms[called], places[called]
        some, same = distinct(comms, places)
        at = list(self._places)
        numbers = [
            self._number(Workload(comm.decode(errors="replace"), "process", "", *at[place]))
            for comm, place in zip(comms[some].tolist(), places[some].tolist(), strict=True)
        ]
        self.numbers[rows] = np.array(numbers, np.int64)[same]

    def _name_strangers(self, rows: np.ndarray, addresses: Array, places: np.ndarray) -> None:
        """Their texts are made for those alone that get a row."""
        some, same = distinct(addresses, places)
        self.numbers[rows] = len(self._numbers) + same
        self._strangers, self._strangers_at = addresses[some], places[some]


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


def joined(batches: Sequence[Batch], name: str) -> Array:
    """A column of all batches."""
    columns = [batch.columns[name] for batch in batches]
    return columns[0] if len(columns) == 1 else np.concatenate(columns)


def _entities(batches: Sequence[Batch], name: str) -> tuple[list[Entity], np.ndarray]:
    """The tables of all batches as one, and the place of each row's entity in it; chunks share a table."""
    begins: dict[int, int] = {}
    entities: list[Entity] = []
    for batch in batches:
        if id(batch.tables["entities"]) not in begins:
            begins[id(batch.tables["entities"])] = len(entities)
            entities += batch.tables["entities"]
    rows = [batch.columns[name].astype(np.int64) + begins[id(batch.tables["entities"])] for batch in batches]
    return entities, rows[0] if len(rows) == 1 else np.concatenate(rows)
