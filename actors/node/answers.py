"""Answers of DNS on a node: which process was told which address for which name, and when. Pure.

Whole columns at a time. Processes, containers and namespaces are compared by 64-bit hashes of them with the address:
that two of a full table meet by chance is expected once in 10^10 tables.
"""

from typing import Final, NamedTuple

import numpy as np

from actors.nat.tuple_index import mixed
from model.arrays import Array
from model.clock import SECOND_NS
from model.kinds.delta.codes import NameEvidence
from model.ledger import Stage
from probes.kernel.layout import enums, joined, rows_where, structs

EVENT: Final = structs("dns")["answer_event"]
#: Answers kept: a process, an address and a name each, 80 bytes.
ANSWERS: Final = 65_536
#: For so long an answer may be used whatever its time to live says: programs connect some time after they asked.
LEAST_NS: Final = 5 * SECOND_NS
#: Likewise the answer of another process of the namespace, such as a cache of names; after that it names nothing.
SHARED_NS: Final = 300 * SECOND_NS
#: Answers beside the one that was chosen that are looked at for another name, in each direction of time.
NEIGHBOURS: Final = 8

_OTHER: Final = enums("dns")["dns_name"]["NAME_OTHER"]
#: The surest first.
_SCOPES: Final = (NameEvidence.PROCESS, NameEvidence.CONTAINER, NameEvidence.NAMESPACE)
#: The cgroup at the root of its hierarchy is no container.
_ROOT_CGROUP: Final = 1
#: The place of a row that is left out.
GONE: Final = -1
#: A key that nothing has.
_NO_KEY: Final = 0

_ROW: Final = np.dtype(
    [
        *((scope.name, "<u8") for scope in _SCOPES),  # keys
        ("said", "<u8"),  # key of process, address and name: an answer that comes again takes its place
        ("name", "<u8"),
        ("first_ns", "<i8"),  # when it was answered for the first and for the last time
        ("at_ns", "<i8"),
        ("until_ns", "<i8"),  # its time to live
        ("used_ns", "<i8"),  # when it was answered, or named a connection
    ]
)


class Names(NamedTuple):
    """What connections' peers are called; shape (n,) each.

    :param name: a hash; 0: none.
    :param evidence: ``NameEvidence``.
    :param ambiguous: whether another name fits as well; bool.
    """

    name: np.ndarray
    evidence: np.ndarray
    ambiguous: np.ndarray


class Askers(NamedTuple):
    """Whose connections are to be named, and when they began; shape (n,) each.

    :param program: ``struct owner.program``.
    :param address: that was called; ``V16``.
    :param at_ns: CLOCK_MONOTONIC.
    """

    pid: np.ndarray
    program: np.ndarray
    cgroup: np.ndarray
    netns: np.ndarray
    address: Array
    at_ns: np.ndarray

    def key(self, scope: NameEvidence) -> np.ndarray:
        """Of process, container or namespace, and address; ``_NO_KEY`` if that is not known."""
        words = np.zeros((len(self.pid), 5), np.uint64)
        words[:, :2] = np.ascontiguousarray(self.address).view(np.uint64).reshape(-1, 2)
        words[:, 2] = scope
        match scope:
            case NameEvidence.PROCESS:
                words[:, 3] = self.pid
                words[:, 4] = self.program.astype(np.uint64) >> np.uint64(8)  # whatever it executed since
                known = self.pid != 0
            case NameEvidence.CONTAINER:
                words[:, 3] = self.cgroup
                known = self.cgroup > _ROOT_CGROUP
            case _:
                words[:, 3] = self.netns
                known = self.netns != 0
        keys: np.ndarray = np.where(known, mixed(words), np.uint64(_NO_KEY))
        return keys


class Answers:
    """Answers by who got them, at most ``limit``; at the limit those go that were of use longest ago.

    :param stage: in answers.
    """

    def __init__(self, stage: Stage, limit: int = ANSWERS) -> None:
        self._stage = stage
        self._limit = limit
        self._new = np.zeros(0, EVENT)
        self._rows = np.zeros(0, _ROW)  # as they came
        self._indexes = {name: _Index() for name in (*(scope.name for scope in _SCOPES), "said")}

    def __len__(self) -> int:
        return len(self._rows)

    def learn(self, events: np.ndarray) -> None:
        """Takes answers in: ``struct answer_event``. They name what is looked for from now on."""
        self._stage.received += len(events)
        self._stage.delivered += len(events)
        named = events[(events["name"] != _OTHER) & (events["name"] != 0)]
        self._new = joined(self._new, np.ascontiguousarray(named))

    def find(self, askers: Askers) -> Names:
        """The latest answer before each connection: that of its process, else of its container, else of its
        namespace.
        """
        self._settle()
        count = len(askers.pid)
        names = Names(np.zeros(count, np.uint64), np.zeros(count, np.uint8), np.zeros(count, np.bool_))
        rest = np.arange(count) if len(self._rows) else np.zeros(0, np.int64)
        for scope in _SCOPES:
            if not len(rest):
                break
            part = Askers(*(column[rest] for column in askers))
            found, rows, ambiguous = self._of_scope(part, scope)
            named = rest[found]
            names.name[named] = self._rows["name"][rows]
            names.evidence[named] = scope
            names.ambiguous[named] = ambiguous
            self._rows["used_ns"][rows] = np.maximum(self._rows["used_ns"][rows], part.at_ns[found])
            rest = np.delete(rest, found)
        return names

    def _of_scope(self, askers: Askers, scope: NameEvidence) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Which have an answer, the row of each of these, and whether it is ambiguous."""
        index = self._indexes[scope.name]
        begins, ends = index.spans(askers.key(scope))
        asked = np.flatnonzero(begins < ends)
        begins, ends, at_ns = begins[asked], ends[asked], askers.at_ns[asked]
        places = self._last_before(index.order, begins, ends, at_ns)
        rows = index.order[places]
        fits = self._fits(rows, at_ns, shared=scope is NameEvidence.NAMESPACE)
        asked, begins, ends, at_ns, places, rows = (
            each[fits] for each in (asked, begins, ends, at_ns, places, rows)
        )
        ambiguous = np.zeros(len(rows), np.bool_)
        for step in (*range(-NEIGHBOURS, 0), *range(1, NEIGHBOURS + 1)):
            other = places + step
            there = np.flatnonzero((other >= begins) & (other < ends))
            others = index.order[other[there]]
            fresh = self._fits(others, at_ns[there]) & (self._rows["until_ns"][others] >= at_ns[there])
            ambiguous[there] |= fresh & (self._rows["name"][others] != self._rows["name"][rows[there]])
        return asked, rows, ambiguous

    def _last_before(
        self, order: np.ndarray, begins: np.ndarray, ends: np.ndarray, at_ns: np.ndarray
    ) -> np.ndarray:
        """In each span of rows the place of the last that is not after ``at_ns``; else of the first, which may have
        come for the first time before.
        """
        times = self._rows["at_ns"]
        low, high = begins.copy(), ends.copy()
        while (open_ := np.flatnonzero(low < high)).size:
            middle = (low[open_] + high[open_]) // 2
            before = times[order[middle]] <= at_ns[open_]
            low[open_] = np.where(before, middle + 1, low[open_])
            high[open_] = np.where(before, high[open_], middle)
        places: np.ndarray = np.maximum(low - 1, begins)
        return places

    def _fits(self, rows: np.ndarray, at_ns: np.ndarray, *, shared: bool = False) -> np.ndarray:
        """Whether these were there at that time."""
        known: np.ndarray = self._rows["first_ns"][rows] <= at_ns
        if not shared:
            return known
        until = np.maximum(self._rows["until_ns"][rows], self._rows["at_ns"][rows] + SHARED_NS)
        lasting: np.ndarray = known & (until >= at_ns)
        return lasting

    def _settle(self) -> None:
        """Puts new answers into the table, in which those of one second stand apart until the next ones come."""
        if not len(self._new):
            return
        events, self._new = self._new, np.zeros(0, EVENT)
        gone = self._repeated()
        order = np.argsort(events["header"]["at_ns"], kind="stable")
        new = _rows_of(events[order[-self._limit :]])
        self._stage.note("evicted", len(events) - len(new))
        kept = ~(gone | self._beyond(len(new), gone))
        self._rows = joined(rows_where(self._rows, kept), new)
        places = None if kept.all() else np.where(kept, np.cumsum(kept) - 1, GONE)
        for name, index in self._indexes.items():
            index.replace(places, new[name], len(self._rows) - len(new))

    def _repeated(self) -> np.ndarray:
        """Which were answered again since; the latest of them knows when the first was."""
        index = self._indexes["said"]
        gone = np.zeros(len(self._rows), np.bool_)
        again = index.keys[1:] == index.keys[:-1]
        if again.any():
            several = np.append(again, False)
            several[1:] |= again
            order, keys = index.order[several], index.keys[several]
            begins = np.flatnonzero(np.append(True, keys[1:] != keys[:-1]))
            last = order[np.append(begins[1:], len(order)) - 1]
            for name, fold in (("first_ns", np.minimum), ("used_ns", np.maximum)):
                self._rows[name][last] = fold.reduceat(self._rows[name][order], begins)
            gone[index.order[:-1][again]] = True
        return gone

    def _beyond(self, new: int, gone: np.ndarray) -> np.ndarray:
        """Which make room for new ones: more than have to, so that it is seldom done."""
        evicted = np.zeros(len(gone), np.bool_)
        left = np.flatnonzero(~gone)
        if len(left) + new > self._limit:
            count = min(len(left), len(left) + new - self._limit + self._limit // 8)
            order = np.argsort(self._rows["used_ns"][left], kind="stable")
            evicted[left[order[:count]]] = True
            self._stage.note("evicted", count)
        return evicted


class _Index:
    """Rows by a key, and those of one key as they came.

    :ivar keys: ascending.
    :ivar order: the row of each.
    """

    def __init__(self) -> None:
        self.keys = np.zeros(0, np.uint64)
        self.order = np.zeros(0, np.int64)

    def spans(self, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where the rows of each key begin and end in ``order``; nowhere for ``_NO_KEY``."""
        begins = np.searchsorted(self.keys, keys, "left")
        ends = np.searchsorted(self.keys, keys, "right")
        return begins, np.where(keys == _NO_KEY, begins, ends)

    def replace(self, places: np.ndarray | None, new: np.ndarray, first: int) -> None:
        """Leaves rows out, and puts new ones behind the others.

        :param places: of each row its new one, or ``GONE``; None: all stay.
        :param new: keys of new rows, of which ``first`` is the place of the first.
        """
        if places is not None:
            order = places[self.order]
            stay = order != GONE
            self.keys, self.order = self.keys[stay], order[stay]
        arrived = np.argsort(new, kind="stable")
        keys = new[arrived]
        at = np.searchsorted(self.keys, keys, "right")
        self.keys, self.order = np.insert(self.keys, at, keys), np.insert(self.order, at, first + arrived)


def _rows_of(events: np.ndarray) -> np.ndarray:
    rows = np.zeros(len(events), _ROW)
    at_ns = events["header"]["at_ns"].astype(np.int64)
    owner = (events[name] for name in ("tgid", "program", "cgroup_id", "netns"))
    askers = Askers._make((*owner, events["address"], at_ns))
    for scope in _SCOPES:
        rows[scope.name] = askers.key(scope)
    rows["name"] = events["name"]
    process = np.where(rows["PROCESS"] == _NO_KEY, rows["NAMESPACE"], rows["PROCESS"])
    rows["said"] = mixed(np.stack((process, rows["name"]), axis=1))
    rows["first_ns"] = rows["at_ns"] = rows["used_ns"] = at_ns
    rows["until_ns"] = at_ns + np.maximum(events["ttl"].astype(np.int64) * SECOND_NS, LEAST_NS)
    return rows
