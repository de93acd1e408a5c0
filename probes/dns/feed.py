"""Counted queries as events, once a second, with the snapshot that has their sockets. Messages end here."""

import time
from collections.abc import Sequence
from typing import Final, Protocol

import numpy as np

from model.clock import SECOND_NS
from model.ledger import Stage
from probes.dns.config import QueriesConfig
from probes.dns.counted import ANSWER, CELL, answers, count, mark_searches
from probes.dns.exchanges import EXCHANGE, Exchanges, places_of
from probes.dns.messages import IPPROTO_TCP, parse
from probes.dns.names import OTHER, NameTable
from probes.kernel.layout import copied, enums, rows_where, structs
from probes.kernel.namespaces import ChosenNamespaces

_SHARED: Final = structs("kernel")["ring_event"]
_RELEASE: Final = enums("dns")["dns_record_of"]["DNS_OF_RELEASE"]
#: Records that are decoded before the second ends, and at once: what costs least for each of them.
TURN: Final = 1024
#: Addresses that are told of in one second.
MOST_ADDRESSES: Final = 16384


class Packets(Protocol):
    """What the kernel tells of packets."""

    def waiting(self) -> int:
        """How many records wait to be read."""

    def peek(self) -> np.ndarray:
        """All of them, valid until ``release``."""

    def release(self) -> None: ...

    def tallies(self) -> dict[str, int]: ...


class Sockets(Protocol):
    """Which sockets of TCP there are."""

    def live(self, slots: np.ndarray, generations: np.ndarray) -> np.ndarray: ...


class DnsFeed:
    """Decodes packets when a window ends, or when there are many, and tells what came of questions.

    :param chosen: network namespaces whose queries are reported.
    :param slots: of TCP sockets; those of UDP flows are behind.
    """

    behind = False
    fds: Sequence[int] = ()

    def __init__(self, config: QueriesConfig, chosen: ChosenNamespaces, slots: int) -> None:
        #: What is read; none where the probe is off, or the kernel does not offer what it needs.
        self.packets: Packets | None = None
        self.sockets: Sockets | None = None
        self.stage = Stage("queries")
        self._config, self._chosen, self._slots = config, chosen, slots
        self._exchanges = Exchanges(int(config.timeout_s * SECOND_NS), config.pending)
        self._names = NameTable(config.names, config.fold)
        self._ended: list[np.ndarray] = []
        self._answers: list[np.ndarray] = []
        self._addresses = 0
        self._due = False

    def notice(self, _netns: np.ndarray) -> None:
        """A snapshot was taken: what is read next belongs to its window."""
        self._due = True

    def missed(self, begin_ns: int, end_ns: int) -> None:
        """Nothing of it comes by the shared ring."""

    def catch_up(self) -> np.ndarray:
        """Nothing more."""
        return np.zeros(0, _SHARED)

    def events(self) -> np.ndarray:
        """What ended in the window that ends, once: names first, then addresses, then counted queries."""
        if not self.packets or (not self._due and self.packets.waiting() < TURN):
            return np.zeros(0, _SHARED)
        self._read()
        if not self._due:
            return np.zeros(0, _SHARED)
        self._due = False
        now_ns = time.monotonic_ns()
        self._end(now_ns)
        events = self._told(now_ns)
        self._balance()
        return np.concatenate([part.view(_SHARED) for part in events])

    def _read(self) -> None:
        """Decodes what the ring has, so many records at once."""
        assert self.packets
        records = self.packets.peek()
        now_s = time.monotonic_ns() // SECOND_NS
        for begin in range(0, len(records), TURN):
            part = records[begin : begin + TURN]
            if not self._chosen.all:
                self._chosen.refresh()
                part = rows_where(part, self._chosen.mask(part["netns"]))
            self._decode(part, now_s)
        self.packets.release()

    def _decode(self, records: np.ndarray, now_s: int) -> None:
        released = records["header"]["old_state"] == _RELEASE
        gone = copied(rows_where(records, released))["header"] if released.any() else None
        records = rows_where(records, ~released)
        messages = parse(records)
        self.stage.note("no_message", messages.bad)
        self._names.learn(records, messages, now_s)
        ended, places = self._exchanges.take(records, messages)
        self._ended.append(ended)
        if len(messages.addresses):
            self._tell_addresses(
                answers(ended, messages.addresses, places, self._names.told_as(ended["name"]))
            )
        if gone is not None:
            self._ended.append(self._exchanges.release(places_of(gone)))

    def _tell_addresses(self, events: np.ndarray) -> None:
        """Of names that are kept apart, within the limit."""
        events = rows_where(events, events["name"] != OTHER)
        room = MOST_ADDRESSES - self._addresses
        self.stage.note("addresses_left_out", max(0, len(events) - room))
        self._addresses += min(len(events), room)
        self._answers.append(events[:room])

    def _end(self, now_ns: int) -> None:
        """Gives up what nobody waits for: its socket of TCP is gone, or too much time went by."""
        waiting = self._exchanges.waiting
        of_tcp = waiting[(waiting["transport"] == IPPROTO_TCP) & (waiting["slot"] < self._slots)]
        if len(of_tcp) and self.sockets:
            gone = of_tcp[~self.sockets.live(of_tcp["slot"], of_tcp["generation"])]
            self._ended.append(self._exchanges.release(places_of(gone)))
        self._ended.append(self._exchanges.expire(now_ns))

    def _told(self, now_ns: int) -> list[np.ndarray]:
        ended = np.concatenate([np.zeros(0, EXCHANGE), *self._ended])
        told = [np.zeros(0, ANSWER), *self._answers]
        self._ended, self._answers, self._addresses = [], [], 0
        mark_searches(ended, self._exchanges.waiting)
        names = self._names.told_as(ended["name"])
        cells = count(ended, names, now_ns)
        stage, kept = self.stage, cells[: self._config.cells]
        stage.received += len(ended)
        stage.delivered += int(kept["queries"].sum())
        stage.drop("no_cell", len(ended) - int(kept["queries"].sum()))
        stage.note("other_names", int(np.count_nonzero(names == OTHER)))
        texts = self._names.events(ended["name"], now_ns // SECOND_NS, now_ns)
        return [texts, np.concatenate(told), np.ascontiguousarray(kept)]

    def _balance(self) -> None:
        """What the kernel's programs counted, and what is no query."""
        assert self.packets
        tallies = self.packets.tallies()
        notes = {
            f"packets_{name}" if name != "messages" else "packets": many for name, many in tallies.items()
        }
        notes |= {"unasked": self._exchanges.unasked, "forgotten": self._exchanges.forgotten}
        for name, many in notes.items():
            if many:
                self.stage.noted[name] = many
        if len(self._exchanges.waiting) or "under_way" in self.stage.noted:
            self.stage.noted["under_way"] = len(self._exchanges.waiting)


assert CELL.itemsize == ANSWER.itemsize == _SHARED.itemsize
