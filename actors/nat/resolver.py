"""What rewriting by this node did to its sockets' tuples: kept by slot, and looked up again only when an entry begins
that may go on where the last look-up ended."""

from dataclasses import dataclass

import numpy as np

from actors.nat.connection_spans import spans_of, times_of
from actors.nat.entry_search import EntrySearch
from actors.nat.table import ANY, NatTable
from model.arrays import Columns
from model.chains import HOP, Chains
from model.kinds.delta import NO_SLOT, NatEvidence, Role
from model.transport import Transport


@dataclass(frozen=True)
class Followed:
    """What the tuples of some rows became; arrays of shape (n,).

    :param rewrites: how many; uint8.
    :param far: the tuple after the last; ``HOP``.
    :param between: by row, the hops of chains of more than two that are neither first nor last.
    :param evidence: ``NatEvidence``.
    :param known_first: 1 and the number of rewrites that the socket's first row had, if it has more now; else 0.
    """

    rewrites: np.ndarray
    far: np.ndarray
    between: dict[int, np.ndarray]
    evidence: np.ndarray
    known_first: np.ndarray


@dataclass(frozen=True)
class _Rows:
    """What is known of some rows while they are followed; arrays of shape (n,), but for places of rows.

    :param index: the slots, 0 for none.
    :param new: places of rows whose socket is new in its slot.
    :param known: whose socket had its slot before.
    :param held: whose socket has its slot now.
    :param earlier: whose opening was told in an earlier window.
    :param other: places of rows whose chain begins with another tuple now.

    The rest is as in ``Followed``, and changes as more is found.
    """

    slots: np.ndarray
    index: np.ndarray
    new: np.ndarray
    known: np.ndarray
    held: np.ndarray
    earlier: np.ndarray
    other: np.ndarray
    rewrites: np.ndarray
    far: np.ndarray
    between: dict[int, np.ndarray]
    evidence: np.ndarray


class Resolver:
    """Finds for each socket the tuple that the other end of its connection has.

    A caller's tuple is followed from entry to entry until none rewrites it, at most ``REWRITES`` times; that of who
    was called is followed backward.

    :param slots: sockets at once; more are made room for.
    :param skew_ns: by how much the clock of the sockets and that of the entries may differ: not at all where both are
        of one kernel, so that of two connections of a tuple, however soon it is used again, each has its own entry.
    """

    def __init__(self, slots: int, table: NatTable, skew_ns: int = 0) -> None:
        self._table = table
        self._skew_ns = skew_ns
        self._generation = np.zeros(slots, np.uint32)
        self._rewrites = np.zeros(slots, np.uint8)
        self._own = np.zeros(slots, HOP)  # where the chain begins
        self._far = np.zeros(slots, HOP)  # its far end, where it has more than one hop
        self._mark = np.zeros(slots, np.uint32)  # of that end: an entry of its tuple would lengthen the chain
        self._state = np.zeros(slots, np.uint32)  # of that mark, when it was looked up
        self._evidence = np.zeros(slots, np.uint8)  # what the look-up rests on
        self._first = np.zeros(slots, np.uint8)  # 1 and the rewrites that its first row had
        self._offset_ns = np.zeros(slots, np.int64)  # of the clock by which its opening was told
        self._between: dict[int, np.ndarray] = {}  # what lies between both ends of a chain of more than two

    def resolve(self, columns: Columns, window: int, offset_ns: int = 0) -> Chains:
        """Adds ``connection.source.*``, ``connection.destination.*``, ``nat.evidence`` and ``nat.index`` to delta
        columns.

        :param offset_ns: of the clock of the columns, in which the window ended, to that of the entries.
        """
        calls = callers(columns)
        own = own_hops(columns, calls)
        nothing = np.zeros(len(calls), np.bool_)
        found = self.follow(columns, own, calls, nothing, window, offset_ns)
        rewrites, far = found.rewrites, found.far
        final, first = own.view("V36").copy(), own.view("V36").copy()
        changed = rewrites > 0
        ahead, back = changed & calls, changed & ~calls
        final[ahead], first[back] = far.view("V36")[ahead], far.view("V36")[back]
        name_resolved(columns, final.view(HOP))
        columns["nat.evidence"], columns["nat.known_first"] = found.evidence, found.known_first * calls
        columns["nat.index"], chains = chains_of(first.view(HOP), final.view(HOP), rewrites, found.between)
        return chains

    def follow(
        self,
        columns: Columns,
        own: np.ndarray,
        calls: np.ndarray,
        learnt: np.ndarray,
        window: int,
        offset_ns: int = 0,
    ) -> "Followed":
        """What is known of each row's tuple.

        :param own: the tuples to begin with, ``HOP``.
        :param calls: whose are followed ahead; the others backward.
        :param learnt: rows whose tuple may be another than in earlier rows of the socket.
        """
        rows = self._known_of(columns, own, learnt)
        opening = rows.known & ~rows.earlier
        # until a connection opens nobody knows when its first packet left: what was told may be of the one before
        again = np.concatenate((rows.other, np.flatnonzero(opening)))
        busy = self._table.begun or self._table.gaps
        due = self._due(rows.index, rows.held, rows.rewrites, again) if busy else np.zeros(0, np.int64)
        if len(due):
            earlier_ns = self._offset_ns[rows.index[due]]
            opening_offset_ns = np.where(rows.earlier[due], earlier_ns, offset_ns)
            spans = spans_of(times_of(columns, due, window, offset_ns, opening_offset_ns), self._skew_ns)
            found = EntrySearch(self._table, columns, calls, own, due, spans)
            self._learn(rows, due, found, opening)
            self._store(rows, due, found, own, columns["network.transport"])
        slots = rows.slots
        self._offset_ns[slots[rows.held & ~rows.earlier]] = offset_ns
        self._first[slots[rows.new]] = rows.rewrites[rows.new] + np.uint8(1)
        first = np.where(rows.known, self._first[rows.index], 0).astype(np.uint8)
        first *= first <= rows.rewrites
        return Followed(rows.rewrites, rows.far, rows.between, rows.evidence, first)

    def _known_of(self, columns: Columns, own: np.ndarray, learnt: np.ndarray) -> "_Rows":
        """What earlier windows found for the sockets of these rows; their slots are theirs from now on."""
        slots = columns["socket.slot"]
        generations = columns["socket.generation"].astype(np.uint32, copy=False)
        slotted = slots != NO_SLOT
        index = np.where(slotted, slots, 0)
        self._grow(int(index.max()) + 1 if len(index) else 0)
        # sockets of a slot come in order, and their numbers wrap
        age = np.subtract(generations, self._generation[index])
        new = np.flatnonzero(slotted & (age != 0) & (age < 1 << 31))
        new = new[np.argsort(age[new], kind="stable")]  # of several in one window the last is kept
        known = slotted & (age == 0)  # also of sockets whose slot has another in this very window
        rewrites = np.where(known, self._rewrites[index], 0).astype(np.uint8)
        # what a node learnt of its own socket meanwhile is the beginning of another chain
        learnt_rows = np.flatnonzero(known & learnt)
        other = learnt_rows[self._own.view("V36")[index[learnt_rows]] != own.view("V36")[learnt_rows]]
        rewrites[other] = 0
        far, between = self._far.take(index), self._between_of(slots, rewrites)
        evidence = np.where(known, self._evidence[index], 0).astype(np.uint8)
        self._forget(slots[new], generations[new])
        held = slotted & (self._generation[index] == generations)
        earlier = known & (columns["connection.opened"] == 0)
        return _Rows(slots, index, new, known, held, earlier, other, rewrites, far, between, evidence)

    @staticmethod
    def _learn(rows: "_Rows", due: np.ndarray, found: EntrySearch, opening: np.ndarray) -> None:
        """What a search knows better; what was known stays, though its entries may be gone."""
        knows = found.rewrites >= rows.rewrites[due]
        rows.evidence[due[knows]] = found.evidence[knows]
        better = found.rewrites > rows.rewrites[due]
        better |= opening[due] & knows & (found.rewrites > 0)
        rows.rewrites[due[better]] = found.rewrites[better]
        rows.far.view("V36")[due[better]] = found.far.view("V36")[better]
        whole = {row: hops for row, hops in found.between.items() if len(hops) == rows.rewrites[row] - 1}
        rows.between.update(whole)

    def _store(
        self, rows: "_Rows", due: np.ndarray, found: EntrySearch, own: np.ndarray, transport: np.ndarray
    ) -> None:
        """Keeps what is known of these rows now for their sockets' next ones."""
        held = rows.held[due]
        kept = due[held]
        self._keep(rows.slots, kept, rows.rewrites, rows.far, rows.between)
        self._evidence[rows.slots[kept]] = rows.evidence[kept]
        marks = self._table.marks(found.hashes[held], transport[kept] == Transport.UDP)
        self._settle(rows.slots[kept], own.take(kept), marks)

    def _due(
        self, index: np.ndarray, held: np.ndarray, rewrites: np.ndarray, again: np.ndarray
    ) -> np.ndarray:
        """Rows to look up: for the first time, because more may be known of what was missed, because an entry began
        that may lengthen their chain, or whatever is known (``again``)."""
        changed = self._evidence[index] >= NatEvidence.LOST  # what cannot be seen stays so
        changed |= self._table.state(self._mark[index]) != self._state[index]
        changed[again] = True
        return np.flatnonzero(np.where(held, changed, rewrites == 0))

    def _settle(self, slots: np.ndarray, own: np.ndarray, marks: np.ndarray) -> None:
        """These are looked up again when an entry begins at the far ends of their chains."""
        self._own.view("V36")[slots] = own.view("V36")
        self._mark[slots] = marks
        self._state[slots] = self._table.state(marks)

    def _grow(self, slots: int) -> None:
        if slots > len(self._generation):
            for name in (
                "_generation",
                "_rewrites",
                "_own",
                "_far",
                "_mark",
                "_state",
                "_evidence",
                "_first",
                "_offset_ns",
            ):
                column = getattr(self, name)
                grown = np.zeros(1 << (slots - 1).bit_length(), column.dtype)
                grown[: len(column)] = column
                setattr(self, name, grown)

    def _forget(self, slots: np.ndarray, generations: np.ndarray) -> None:
        """These slots have new sockets."""
        self._generation[slots] = generations
        self._mark[slots] = ANY
        self._state[slots] = self._rewrites[slots] = self._evidence[slots] = 0
        if self._between:
            for slot in slots.tolist():
                self._between.pop(slot, None)

    def _keep(
        self,
        slots: np.ndarray,
        rows: np.ndarray,
        rewrites: np.ndarray,
        far: np.ndarray,
        between: dict[int, np.ndarray],
    ) -> None:
        self._rewrites[slots[rows]] = rewrites[rows]
        self._far.view("V36")[slots[rows]] = far.view("V36")[rows]
        for row in rows[rewrites[rows] > 1].tolist():
            if row in between:
                self._between[int(slots[row])] = between[row]

    def _between_of(self, slots: np.ndarray, rewrites: np.ndarray) -> dict[int, np.ndarray]:
        if not self._between:
            return {}
        held = ((row, self._between.get(slots[row])) for row in np.flatnonzero(rewrites > 1).tolist())
        return {row: hops for row, hops in held if hops is not None}


def callers(columns: Columns) -> np.ndarray:
    """Which sockets called: clients, and where that is not known, those with the higher port; shape (n,), bool."""
    roles = columns["connection.role"]
    higher: np.ndarray = np.greater(columns["network.local.port"], columns["network.peer.port"])
    calls: np.ndarray = (roles == Role.CLIENT) | ((roles == Role.UNKNOWN) & higher)
    return calls


def own_hops(columns: Columns, calls: np.ndarray) -> np.ndarray:
    """The tuples that sockets see, from the caller to the called; ``HOP``."""
    hops = np.empty(len(calls), HOP)
    for part in ("address", "port"):
        local, peer = columns[f"network.local.{part}"], columns[f"network.peer.{part}"]
        hops[f"source_{part}"] = np.where(calls, local, peer)
        hops[f"destination_{part}"] = np.where(calls, peer, local)
    return hops


def name_resolved(columns: Columns, hops: np.ndarray) -> None:
    """Puts the tuples into the columns ``connection.source.*`` and ``connection.destination.*``."""
    for end in ("source", "destination"):
        columns[f"connection.{end}.address"] = np.ascontiguousarray(hops[f"{end}_address"])
        columns[f"connection.{end}.port"] = np.ascontiguousarray(hops[f"{end}_port"])


def chains_of(
    first: np.ndarray, final: np.ndarray, rewrites: np.ndarray, between: dict[int, np.ndarray]
) -> tuple[np.ndarray, Chains]:
    """The column ``nat.index``, and the table of chains that it points into.

    :param rewrites: of each row; 0 for no chain.
    :param between: by row, the hops of chains of more than two that are neither first nor last.
    """
    rows = np.flatnonzero(rewrites)
    index = np.zeros(len(rewrites), np.uint32)
    index[rows] = np.arange(1, len(rows) + 1)
    places = {int(index[row]) - 1: hops for row, hops in between.items()}
    return index, Chains.of(first.take(rows), final.take(rows), rewrites[rows], places)
