"""What the kernel counts in cells, as events: once a second, with the snapshot of their time."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Generic, Protocol, TypeVar

import numpy as np

from model.ledger import Stage
from probes.kernel.layout import rows_where, structs
from probes.kernel.namespaces import ChosenNamespaces

_SHARED: Final = structs("tcp")["socket_event"]


class Cells(Protocol):
    """The maps of a probe that counts."""

    def read(self) -> np.ndarray:
        """What changed since it was last read, in structs as long as those of the shared ring."""

    def tallies(self) -> dict[str, int]:
        """The programs' own counts since the start."""


C = TypeVar("C", bound=Cells)


class CellFeed(ABC, Generic[C]):
    """Reads the cells when a window ends.

    :param stage: where they are accounted for.
    :param chosen: network namespaces that are reported.
    """

    behind = False
    fds: Sequence[int] = ()

    def __init__(self, stage: Stage, chosen: ChosenNamespaces) -> None:
        #: What is read; none where the probe is off, or the kernel does not offer what it needs.
        self.cells: C | None = None
        self.stage = stage
        self._chosen = chosen
        self._due = False
        self._left_out = 0  # counted in other namespaces

    def notice(self, _netns: np.ndarray) -> None:
        """A snapshot was taken: what is read next belongs to its window."""
        self._due = True

    def missed(self, begin_ns: int, end_ns: int) -> None:
        """Cells are not told by the ring."""

    def events(self) -> np.ndarray:
        """What changed in the window that ends, once; as records of the shared ring."""
        if not self._due or not self.cells:
            return np.zeros(0, _SHARED)
        self._due = False
        events = self._of_chosen(self.cells.read())
        self.balance(events, self.cells.tallies())
        return events.view(_SHARED) if len(events) else np.zeros(0, _SHARED)

    def catch_up(self) -> np.ndarray:
        """Nothing more."""
        return np.zeros(0, _SHARED)

    def _of_chosen(self, events: np.ndarray) -> np.ndarray:
        if self._chosen.all or not len(events):
            return events
        self._chosen.refresh()
        mine = self._chosen.mask(self.netns(events))
        self._left_out += self.counted(events[~mine])
        return rows_where(events, mine)

    def netns(self, events: np.ndarray) -> np.ndarray:
        """The network namespace of each."""
        found: np.ndarray = events["netns"]
        return found

    @abstractmethod
    def counted(self, events: np.ndarray) -> int:
        """How many there are in all, in the stage's unit."""

    @abstractmethod
    def balance(self, events: np.ndarray, tallies: Mapping[str, int]) -> None:
        """Accounts for what was read.

        :param events: of chosen namespaces.
        """

    def queue_rest(
        self, events: np.ndarray, tallies: Mapping[str, int], total: str, noted: Iterable[str]
    ) -> None:
        """While programs run, what is counted but not read is queued, for no two counts are of one moment.

        :param total: the tally of all that have a cell.
        :param noted: tallies that lost nothing.
        """
        stage, dropped = self.stage, tallies["no_cell"]
        stage.delivered += self.counted(events)
        if dropped:
            stage.dropped["no_cell"] = dropped
        done = stage.delivered + dropped
        stage.received = max(tallies[total] + dropped - self._left_out, done)
        stage.queued = stage.received - done
        for name in noted:
            if tallies[name]:
                stage.noted[name] = tallies[name]
