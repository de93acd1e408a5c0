"""Keys of leaves: who calls, who is called, and what for, each numbered as it comes, in one number of 64 bits."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from actors.explain.leaves import UNKNOWN
from model.batch import Batch
from model.kinds.endpoint import ENDPOINT
from model.kinds.request import HttpMethod

#: Bits of a key for the number of an end, and for that of what it is asked for: so many are numbered at most.
_END_BITS: Final = 20
_WHAT_BITS: Final = 24
#: What an end is told apart by, the coarser name first: places in ``actors.trouble.instances.Instance``.
_PARTS: Final = {"workload": -1, "version": 4, "image": 6, "region": 8, "zone": 3, "node": 5, "instance": 7}
#: Attributes of what an end is asked for; the last two are those of requests alone.
_WHAT: Final = ("server.port", "method", "route")
_REQUESTS: Final = ("method", "route")

Who = tuple[str, ...]


class Whats(NamedTuple):
    """What rows are asked for.

    :param table: port, method and route of each; ``places``: of each row in it.
    :param second: since the epoch.
    """

    table: Sequence[tuple[str, str, str]]
    places: np.ndarray
    second: int


class Told(NamedTuple):
    """What keys stand for: ends in a table, what they are asked for in another; places of each key; shape (n,)."""

    ends: Sequence[tuple[str, ...]]
    client: np.ndarray
    server: np.ndarray
    whats: Sequence[tuple[str, str, str]]
    what: np.ndarray


class _Numbers:
    """Numbers things as they come, and remembers when each came first."""

    def __init__(self) -> None:
        self._numbers: dict[Hashable, int] = {}
        self.known: list[Any] = []  # by number
        self.first_s: list[int] = []

    def __len__(self) -> int:
        return len(self.known)

    def of(self, things: Sequence[Hashable], second: int) -> np.ndarray:
        """int64."""
        try:
            numbers = list(map(self._numbers.__getitem__, things))
        except KeyError:
            numbers = [self._number(thing, second) for thing in things]
        return np.array(numbers, np.int64)

    def _number(self, thing: Hashable, second: int) -> int:
        number = self._numbers.setdefault(thing, len(self.known))
        if number == len(self.known):
            self.known.append(thing)
            self.first_s.append(second)
        return number


class Keys:
    """Keys of rows, and what they stand for."""

    def __init__(self) -> None:
        self._ends, self._whats = _Numbers(), _Numbers()
        self._since: int | None = None

    @property
    def full(self) -> bool:
        """Whether so many are numbered that others are to take its place."""
        return bool(len(self._ends) >> (_END_BITS - 1) or len(self._whats) >> (_WHAT_BITS - 1))

    def of(self, batch: Batch) -> np.ndarray:
        """Of each row of workloads or endpoints; int64."""
        self._since = batch.window if self._since is None else self._since
        numbers = self._ends.of(batch.tables["workloads"], batch.window)
        client, server = (batch.columns[f"{side}.workload.index"] for side in ("client", "server"))
        ends: np.ndarray = numbers[client] << _END_BITS | numbers[server]
        keys: np.ndarray = ends << _WHAT_BITS | self._what(batch)
        return keys

    def numbered(
        self, table: Sequence[Hashable], client: np.ndarray, server: np.ndarray, whats: Whats
    ) -> np.ndarray:
        """Of each row that is told otherwise than in a batch; int64.

        :param table: of ends; ``client`` and ``server`` are places in it.
        """
        self._since = whats.second if self._since is None else self._since
        numbers = self._ends.of(table, whats.second)
        whats_numbers = self._whats.of(whats.table, whats.second)
        ends: np.ndarray = numbers[client] << _END_BITS | numbers[server]
        keys: np.ndarray = ends << _WHAT_BITS | whats_numbers[whats.places]
        return keys

    def told(self, keys: np.ndarray) -> "Told":
        """What keys stand for, in tables that hold no more than these."""
        clients, servers, what = self.split(keys)
        ends, same = np.unique(np.concatenate((clients, servers)), return_inverse=True)
        whats, of = np.unique(what, return_inverse=True)
        return Told(
            [self._ends.known[number] for number in ends.tolist()],
            same[: len(keys)],
            same[len(keys) :],
            [self._whats.known[number] for number in whats.tolist()],
            of,
        )

    def split(self, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Numbers of clients, of servers, and of what for."""
        ends = keys >> _WHAT_BITS
        mask = (1 << _END_BITS) - 1
        return ends >> _END_BITS & mask, ends & mask, keys & ((1 << _WHAT_BITS) - 1)

    def attributes(
        self, ends: Sequence[np.ndarray], *, requests: bool
    ) -> tuple[list[str], list[tuple[np.ndarray, list[str]]]]:
        """Names, and codes with their values; without those in which nothing can differ.

        :param ends: numbers of clients, of servers, and of what for.
        """
        found = {
            f"{side}.{part}": self.texts(ends[place], part)
            for place, side in enumerate(("client", "server"))
            for part in _PARTS
        }
        for place, name in enumerate(_WHAT):
            if requests or name not in _REQUESTS:
                different = np.unique(ends[2])
                texts = [self._whats.known[number][place] or UNKNOWN for number in different.tolist()]
                found[name] = _coded(texts, different, ends[2])
        several = {name: each for name, each in found.items() if len(each[1]) > 1}
        told = several or {"server.workload": found["server.workload"]}
        return list(told), list(told.values())

    def texts(self, numbers: np.ndarray, part: str) -> tuple[np.ndarray, list[str]]:
        """Codes and values of an attribute of ends."""
        different = np.unique(numbers)
        texts = [_text(self._ends.known[number], _PARTS[part]) for number in different.tolist()]
        return _coded(texts, different, numbers)

    def inside(self, keys: np.ndarray, where: Mapping[str, str]) -> np.ndarray:
        """Which of these have the values of a cause, also of attributes in which none of them differs; bool.

        :param where: ``region``, ``zone`` and ``node`` without a side: at either end.
        """
        rows = np.ones(len(keys), np.bool_)
        clients, servers, whats = self.split(keys)
        for name, value in where.items():
            side, _, part = name.rpartition(".")
            if name in _WHAT:
                place = _WHAT.index(name)
                asked = [
                    number
                    for number, what in enumerate(self._whats.known)
                    if (what[place] or UNKNOWN) == value
                ]
                rows &= np.isin(whats, asked)
                continue
            ends = [
                number for number, end in enumerate(self._ends.known) if _text(end, _PARTS[part]) == value
            ]
            sides = {"client": (clients,), "server": (servers,)}.get(side, (clients, servers))
            rows &= np.any([np.isin(numbers, ends) for numbers in sides], axis=0)
        return rows

    def on_node(self, keys: np.ndarray, node: str) -> np.ndarray:
        """Which of these have an end on a machine; bool."""
        numbers = [
            number for number, end in enumerate(self._ends.known) if _text(end, _PARTS["node"]) == node
        ]
        clients, servers, _ = self.split(keys)
        found: np.ndarray = np.isin(clients, numbers) | np.isin(servers, numbers)
        return found

    def first_seen(self, where: Mapping[str, str]) -> int | None:
        """The second in which an end with these values was first seen; None: it was there from the start.

        :param where: of one side: ``server.version``.
        """
        sides = {name.partition(".")[0] for name in where}
        parts = {name.partition(".")[2]: value for name, value in where.items()}
        if len(sides) != 1 or not set(parts) <= set(_PARTS):
            return None
        seconds = [
            second
            for end, second in zip(self._ends.known, self._ends.first_s, strict=True)
            if all(_text(end, _PARTS[name]) == value for name, value in parts.items())
        ]
        return min(seconds) if seconds and self._since is not None and min(seconds) > self._since else None

    def _what(self, batch: Batch) -> np.ndarray:
        """Numbers of port, method and route."""
        columns = batch.columns
        keys = columns["server.port"].astype(np.int64) << 40
        routes: Sequence[str] = ("",)
        if batch.kind is ENDPOINT:
            routes = batch.tables["routes"]
            keys |= columns["http.request.method"].astype(np.int64) << 32
            keys |= columns["route.index"].astype(np.int64)
        different, same = np.unique(keys, return_inverse=True)
        things = [
            (str(key >> 40), _method(key >> 32 & 0xFF), routes[key & 0xFFFFFFFF])
            for key in different.tolist()
        ]
        return self._whats.of(things, batch.window)[same]


def _method(code: int) -> str:
    return HttpMethod(code).name if code else ""


def name_of(who: Who) -> str:
    """``shop/checkout`` of kind, namespace and name."""
    _, namespace, name = who
    return f"{namespace}/{name}" if namespace else name or "other"


def _text(end: Sequence[str], place: int) -> str:
    """A part of an end; ends that are workloads have fewer of them."""
    if place < 0:
        return name_of((end[1], end[2], end[0]))
    return (end[place] if place < len(end) else "") or UNKNOWN


def _coded(texts: list[str], different: np.ndarray, numbers: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Codes of ``numbers`` among the values that ``texts`` says for the ``different`` ones, ascending."""
    values = sorted(set(texts))
    places = {text: place for place, text in enumerate(values)}
    codes = np.array([places[text] for text in texts], np.int64)
    return codes[np.searchsorted(different, numbers)], values
