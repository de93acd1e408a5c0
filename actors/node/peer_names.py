"""What sockets' peers are called: the names for which processes were told the addresses that they called. Pure."""

from typing import Final

import numpy as np

from actors.node.answers import ANSWERS, Answers, Askers, Names
from actors.node.dns_names import DnsNames
from actors.node.rows import PROGRAM, STARTED
from model.arrays import Columns
from model.dictionary import LIMIT, Dictionary
from model.kinds.delta import NO_SLOT, Role
from model.ledger import Stage

#: In codes of slots, beside the evidence.
_AMBIGUOUS: Final = 1 << 7


class PeerNames:
    """Names of the peers of clients' sockets, each looked up once and kept while the socket lives, by slot.

    :param slots: of the node's socket table.
    :param stage: in answers.
    :param texts: of names.
    :param limit: different names of open sockets at once.
    :param answers: kept.
    """

    def __init__(
        self, slots: int, stage: Stage, texts: DnsNames, limit: int = LIMIT, answers: int = ANSWERS
    ) -> None:
        self.answers = Answers(stage, answers)
        self._stage = stage
        self._texts = texts
        self._known = Dictionary("", limit)
        self._generation = np.zeros(slots, np.uint32)
        self._number = np.zeros(slots, np.uint32)
        self._code = np.zeros(slots, np.uint8)

    def fill(self, columns: Columns, open_generations: np.ndarray) -> list[str]:
        """Sets ``peer.name.*`` of the rows of a second; returns the table of ``peer.name.index``.

        :param columns: with ``PROGRAM`` and ``STARTED``.
        :param open_generations: of the open socket of each slot; shape (slots,).
        """
        self._make_room(open_generations)
        slots, generations = columns["socket.slot"], columns["socket.generation"].astype(np.uint32)
        slotted = slots != NO_SLOT
        index = np.where(slotted, slots, 0)
        mine = slotted & (self._generation[index] == generations)
        number = np.where(mine, self._number[index], 0)
        code = np.where(mine, self._code[index], 0).astype(np.uint8)
        new = np.flatnonzero(~mine)
        if len(new):
            self._name(columns, new, number, code)
            self._keep(new[slotted[new]], slots, generations, number, code)
        (columns["peer.name.index"],), used = self._known.used(number)
        columns["peer.name.evidence"] = code & np.uint8(_AMBIGUOUS - 1)
        columns["peer.name.ambiguous"] = (code >= _AMBIGUOUS).astype(np.uint8)
        return [self._known.values[id_] for id_ in used]

    def _name(self, columns: Columns, rows: np.ndarray, number: np.ndarray, code: np.ndarray) -> None:
        """Sets number and code of these rows: clients of which the beginning was seen."""
        calls = columns["connection.role"][rows] == Role.CLIENT
        calls &= columns["connection.adopted"][rows] == 0
        rows = rows[calls]
        if len(rows):
            names = self.answers.find(_askers(columns, rows))
            number[rows] = self._numbers(names)
            found = names.evidence | names.ambiguous * np.uint8(_AMBIGUOUS)
            code[rows] = np.where(number[rows] != 0, found, 0)

    def _numbers(self, names: Names) -> np.ndarray:
        """The number of each name; 0 where its text is not known."""
        hashes, place = np.unique(names.name, return_inverse=True)
        texts = [self._texts.get(key) for key in hashes.tolist()]
        self._stage.note("name_unknown", texts.count(None))
        numbers: np.ndarray = self._known.ids(text or "" for text in texts)[place]
        return numbers

    def _keep(
        self,
        rows: np.ndarray,
        slots: np.ndarray,
        generations: np.ndarray,
        number: np.ndarray,
        code: np.ndarray,
    ) -> None:
        """For the seconds that follow; of several sockets of one slot the last one stays."""
        age = np.subtract(generations[rows], self._generation[slots[rows]])  # wraps
        newer = np.flatnonzero(age < 1 << 31)
        rows = rows[newer[np.argsort(age[newer], kind="stable")]]
        self._generation[slots[rows]] = generations[rows]
        self._number[slots[rows]] = number[rows]
        self._code[slots[rows]] = code[rows]

    def _make_room(self, open_generations: np.ndarray) -> None:
        """Gives up names that no open socket has, before they run out."""
        if self._known.full:
            held = (self._generation == open_generations) & (self._number != 0)
            self._known.release(self._number[held])
            self._number[~held] = self._code[~held] = 0
        self._stage.note("name_table_full", self._known.refused)
        self._stage.note("names_refused", self._texts.refused)
        self._known.refused = self._texts.refused = 0


def _askers(columns: Columns, rows: np.ndarray) -> Askers:
    names = ("process.pid", PROGRAM, "cgroup.id", "netns.id", "network.peer.address")
    return Askers._make((*(columns[name][rows] for name in names), columns[STARTED][rows].astype(np.int64)))
