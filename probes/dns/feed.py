"""Counted queries as events, once a second, with the snapshot that has their sockets. Messages end here."""

import time
from collections.abc import Sequence
from typing import Final, Protocol

import numpy as np

from model.clock import SECOND_NS
from model.ledger import Stage
from probes.dns.config import QueriesConfig
from probes.dns.counted import ANSWER, CELL, answers, count, told_addresses
from probes.dns.exchanges import EXCHANGE, Exchanges, places_of
from probes.dns.maps import CELL as GROWN
from probes.dns.maps import CELL_KEY as KEY
from probes.dns.maps import TOLD, Records
from probes.dns.messages import parse
from probes.dns.names import OTHER, NameTable
from probes.dns.paired import addresses_of, cells_of, exchanges_of, receivers_of, unanswered
from probes.dns.retries import Retries
from probes.dns.searches import Searches, late_cells
from probes.kernel.layout import enums, rows_where, structs, void_rows
from probes.kernel.namespaces import ChosenNamespaces

_SHARED: Final = structs("kernel")["ring_event"]
_OF: Final = enums("dns")["dns_record_of"]
#: Packets that are decoded before the second ends, and at once: what costs least for each of them.
TURN: Final = 1024
#: Exchanges that are read before the second ends.
READ_EARLY: Final = 4096
#: Addresses that are told of in one second.
MOST_ADDRESSES: Final = 16384


class Kernel(Protocol):
    """What the kernel has of DNS (``probes.dns.maps.DnsMaps``)."""

    @property
    def packets(self) -> Records: ...

    @property
    def exchanges(self) -> Records: ...

    def tallies(self) -> dict[str, int]: ...

    def questions(self) -> tuple[np.ndarray, np.ndarray]: ...

    def end(self, questions: np.ndarray) -> np.ndarray: ...

    def forget(self, names: np.ndarray) -> None: ...

    def cells(self) -> tuple[np.ndarray, np.ndarray]: ...


class Sockets(Protocol):
    """Which sockets there are, of TCP or flows of UDP."""

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
        self.kernel: Kernel | None = None
        self.sockets: Sockets | None = None
        self.flows: Sockets | None = None
        self.stage = Stage("queries")
        self._config, self._chosen, self._slots = config, chosen, slots
        timeout_ns = int(config.timeout_s * SECOND_NS)
        self._timeout_ns = timeout_ns
        self._exchanges = Exchanges(timeout_ns, config.pending)
        self._retries = Retries(timeout_ns, config.pending)
        self._searches = Searches(config.pending)
        self._names = NameTable(config.names, config.fold)
        self._ended: list[np.ndarray] = []
        self._told: list[np.ndarray] = []  # by the kernel
        self._answers: list[np.ndarray] = []
        self._addresses = 0
        self._given_up = 0  # of those that waited in the kernel
        self._uncounted = 0
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
        kernel = self.kernel
        if not kernel:
            return np.zeros(0, _SHARED)
        if self._due or kernel.exchanges.waiting() >= READ_EARLY:
            self._told.append(kernel.exchanges.read())
        if (
            self._due or kernel.packets.waiting() >= TURN
        ):  # behind the exchanges: with the texts of all their names
            self._read_packets(kernel.packets)
        if not self._due:
            return np.zeros(0, _SHARED)
        self._due = False
        now_ns = time.monotonic_ns()
        tallies = kernel.tallies()
        waiting = self._end(kernel, tallies, now_ns)
        events = self._count(kernel, tallies, waiting, now_ns)
        self._balance(tallies, len(waiting))
        return together([part.view(_SHARED) for part in events], _SHARED)

    def _of_chosen(self, rows: np.ndarray) -> np.ndarray:
        if self._chosen.all or not len(rows):
            return rows
        self._chosen.refresh()
        return rows_where(rows, self._chosen.mask(rows["netns"]))

    def _read_packets(self, packets: Records) -> None:
        """Decodes what the ring has, so many packets at once."""
        records = packets.peek()
        now_s = time.monotonic_ns() // SECOND_NS
        for begin in range(0, len(records), TURN):
            part = self._of_chosen(records[begin : begin + TURN])
            of = part["header"]["old_state"]
            self._pair(rows_where(part, of == _OF["DNS_OF_MESSAGE"]), now_s)
            self._learn(rows_where(part, of == _OF["DNS_OF_NAME"]), now_s)
            self._take_addresses(rows_where(part, of == _OF["DNS_OF_ADDRESSES"]))
        packets.release()

    def _pair(self, records: np.ndarray, now_s: int) -> None:
        """Packets whose questions and answers the kernel did not put together."""
        if not len(records):
            return
        messages = parse(records)
        self.stage.note("no_message", messages.bad)
        self._names.learn(records, messages, now_s)
        ended, places = self._exchanges.take(records, messages)
        self._ended.append(ended)
        if len(messages.addresses):
            names = self._names.find(ended["name"]).told_as
            self._tell_addresses(answers(ended, messages.addresses, places, names))

    def _learn(self, records: np.ndarray, now_s: int) -> None:
        if len(records):
            self._names.learn(records, parse(records), now_s)

    def _take_addresses(self, records: np.ndarray) -> None:
        """Of answers that are counted already."""
        if len(records):
            messages = parse(records)
            heads = receivers_of(records, messages)
            names = self._names.find(heads["name"]).told_as
            self._tell_addresses(told_addresses(heads, messages.addresses, names))

    def _tell_addresses(self, events: np.ndarray) -> None:
        """Within the limit."""
        room = MOST_ADDRESSES - self._addresses
        self.stage.note("addresses_left_out", max(0, len(events) - room))
        self._addresses += min(len(events), room)
        self._answers.append(events[:room])

    def _end(self, kernel: Kernel, tallies: dict[str, int], now_ns: int) -> np.ndarray:
        """Gives up what nobody waits for: its socket is gone, or too much time went by. Returns what waits on."""
        waiting = self._exchanges.waiting
        gone = ~self._live(waiting)
        if gone.any():
            self._read_packets(kernel.packets)  # what was answered before they were seen to be gone
            self._ended.append(self._exchanges.release(places_of(waiting[gone])))
        self._ended.append(self._exchanges.expire(now_ns))
        if tallies.get("asked", 0) <= tallies.get("ended", 0) + self._given_up:
            return self._exchanges.waiting
        questions, asked = kernel.questions()
        rows = unanswered(questions, asked)
        over = ~self._live(rows) | (rows["asked_ns"] <= now_ns - self._timeout_ns)
        over[over] = kernel.end(questions[over])
        self._given_up += int(np.count_nonzero(over))
        self._ended.append(self._of_chosen(rows[over]))
        return np.concatenate((self._exchanges.waiting, self._of_chosen(rows[~over])))

    def _live(self, rows: np.ndarray) -> np.ndarray:
        """Of which there is a socket, or a flow, as far as that is known."""
        live = np.ones(len(rows), np.bool_)
        of_tcp = rows["slot"] < self._slots
        for sockets, mine, first in ((self.sockets, of_tcp, 0), (self.flows, ~of_tcp, self._slots)):
            if sockets and mine.any():
                live[mine] = sockets.live(rows["slot"][mine] - first, rows["generation"][mine])
        return live

    def _count(
        self, kernel: Kernel, tallies: dict[str, int], waiting: np.ndarray, now_ns: int
    ) -> list[np.ndarray]:
        now_s = now_ns // SECOND_NS
        told = self._of_told()
        ended = together([exchanges_of(told), *self._ended], EXCHANGE)
        keys, grown = self._grown(kernel, tallies)
        hashes, inverse = np.unique(np.concatenate((ended["name"], waiting["name"])), return_inverse=True)
        found = self._names.find(hashes, now_s)
        for rows, places in ((ended, inverse[: len(ended)]), (waiting, inverse[len(ended) :])):
            rows["label"] = np.where(rows["label"] == 0, found.label[places], rows["label"])
        late = self._searches.mark(ended, waiting, now_ns)
        self._retries.mark(ended, waiting, now_ns)
        names = found.told_as[inverse[: len(ended)]]
        in_cells = self._names.find(keys["name"], now_s).told_as
        parts = [count(ended, names, now_ns), cells_of(keys, grown, in_cells, now_ns)]
        if len(late):
            parts.append(late_cells(late, self._names.find(late["name"]).told_as, now_ns))
        cells = together(parts, CELL)
        heads, addresses = addresses_of(told)
        self._tell_addresses(told_addresses(heads, addresses, self._names.find(heads["name"]).told_as))
        kept = cells[: self._config.cells]
        other = int(np.count_nonzero(names == OTHER)) + int(grown["queries"][in_cells == OTHER].sum())
        self.stage.note("other_names", other)
        self._account(cells, kept, tallies)
        told_of = np.unique(np.concatenate((hashes, keys["name"], late["name"])))
        texts = self._names.events(told_of, now_s, now_ns)
        kernel.forget(self._names.forgotten(now_s))
        events = [texts, together(self._answers, ANSWER), np.ascontiguousarray(kept)]
        self._told, self._ended, self._answers, self._addresses = [], [], [], 0
        return events

    def _of_told(self) -> np.ndarray:
        """Records of exchanges in chosen namespaces."""
        told = together(self._told, TOLD)
        if self._chosen.all or not len(told):
            return told
        self._chosen.refresh()
        return rows_where(told, self._chosen.mask(told["asked"]["netns"]))

    def _grown(self, kernel: Kernel, tallies: dict[str, int]) -> tuple[np.ndarray, np.ndarray]:
        """What cells of the kernel grew by."""
        keys, grown = kernel.cells() if tallies.get("in_cells") else (np.zeros(0, KEY), np.zeros(0, GROWN))
        if self._chosen.all or not len(keys):
            return keys, grown
        mine = self._chosen.mask(grown["netns"])
        return keys[mine], grown[mine]

    def _account(self, cells: np.ndarray, kept: np.ndarray, tallies: dict[str, int]) -> None:
        stage, uncounted = self.stage, tallies.get("no_cell", 0)
        all_, told = int(cells["queries"].sum()), int(kept["queries"].sum())
        lost = uncounted - self._uncounted
        self._uncounted = uncounted
        stage.received += all_ + lost
        stage.delivered += told
        stage.drop("no_cell", all_ - told + lost)

    def _balance(self, tallies: dict[str, int], waiting: int) -> None:
        """What the kernel's programs counted, and what is no query."""
        notes = {NOTED[name]: many for name, many in tallies.items() if name in NOTED}
        notes |= {"unasked": self._exchanges.unasked, "forgotten": self._exchanges.forgotten}
        notes["searches_forgotten"] = self._searches.forgotten
        for name, many in notes.items():
            if many:
                self.stage.noted[name] = many
        if waiting or "under_way" in self.stage.noted:
            self.stage.noted["under_way"] = waiting


def together(parts: Sequence[np.ndarray], kind: np.dtype[np.void]) -> np.ndarray:
    """One array of all, without a copy of an only one; structs are copied whole, not field by field."""
    held = [part for part in parts if len(part)]
    if len(held) == 1:
        return held[0]
    found: np.ndarray = np.concatenate([np.zeros(0, f"V{kind.itemsize}"), *map(void_rows, held)]).view(kind)
    return found


#: What is told of tallies, and as what.
NOTED: Final = {
    "messages": "packets",
    **{name: f"packets_{name}" for name in ("short", "unreadable", "no_socket", "over_rate", "ring_full")},
    **{name: name for name in ("pending_full", "in_cells", "cells_full")},
}

assert CELL.itemsize == ANSWER.itemsize == _SHARED.itemsize
