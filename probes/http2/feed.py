"""Counted requests of HTTP/2 as events, once a second, with the snapshot that has their sockets."""

from collections.abc import Iterator, Sequence
from typing import Final, Protocol

import numpy as np

from model.ledger import Stage
from probes.http2.counted import CELL
from probes.http2.decoder import FrameDecoder
from probes.http2.ring import TURN
from probes.kernel.layout import rows_where, structs
from probes.kernel.namespaces import ChosenNamespaces

_SHARED: Final = structs("tcp")["socket_event"]
#: Turns before other rings are looked at again, unless the second is over.
MOST_TURNS: Final = 4
#: What is counted beside requests: totals that lost nothing.
_NOTED: Final = ("joined", "unfollowed")


class Frames(Protocol):
    """What the kernel tells of frames."""

    @property
    def fd(self) -> int:
        """Readable when there is much to read."""

    @property
    def kept(self) -> int:
        """How many records wait that somebody has taken out of the ring already."""

    def collect(self) -> int:
        """How many records wait, those included that the kernel has told of by now."""

    def read(self, most: int) -> np.ndarray:
        """The oldest of them, at most so many."""

    def tallies(self) -> dict[str, int]: ...

    def forget(self, slots: np.ndarray, generations: np.ndarray) -> np.ndarray:
        """Lets go of connections whose sockets are gone; tells of which something was lost at the end."""


class Sockets(Protocol):
    """Which sockets there are."""

    def live(self, slots: np.ndarray, generations: np.ndarray) -> np.ndarray: ...


class Http2Feed:
    """Decodes what waits when a window ends, or when there is much.

    Header bytes end here: what goes on is what the HTTP probe tells of HTTP/1, too.

    :param cells: kinds of requests of one second; what is beyond is dropped.
    :param chosen: network namespaces whose requests are reported.
    """

    behind = False

    def __init__(self, decoder: FrameDecoder, cells: int, chosen: ChosenNamespaces) -> None:
        #: What is read; none where the probe is off, or the kernel does not offer what it needs.
        self.frames: Frames | None = None
        self.sockets: Sockets | None = None
        self.stage = Stage("requests")
        self._decoder = decoder
        self._most_cells = cells
        self._chosen = chosen
        self._counted: list[np.ndarray] = []
        self._cells = 0
        self._due = False
        self._passed = {"delivered": 0, "no_cell": 0}

    @property
    def fds(self) -> Sequence[int]:
        """Readable when the ring fills."""
        return (self.frames.fd,) if self.frames else ()

    def notice(self, _netns: np.ndarray) -> None:
        """A snapshot was taken: what is read next belongs to its window."""
        self._due = True

    def missed(self, begin_ns: int, end_ns: int) -> None:
        """Nothing of it comes by the shared ring."""

    def events(self) -> np.ndarray:
        """What ended in the window that ends, once, and the texts of paths; as records of the shared ring."""
        if not self.frames or (not self._due and self.frames.kept < TURN):
            return np.zeros(0, _SHARED)
        self._read()
        if not self._due:
            return np.zeros(0, _SHARED)
        self._end_gone()
        self._due = False
        events = [
            self._decoder.texts.events().view(_SHARED),
            *(cells.view(_SHARED) for cells in (*self._counted, *self._taken_passed())),
        ]
        self._counted, self._cells = [], 0
        self._balance()
        return np.concatenate(events)

    def _read(self) -> None:
        """Decodes whole turns, and all that waits when a window ends."""
        assert self.frames
        waiting = self.frames.collect()
        turns = -(-waiting // TURN) if self._due else min(waiting // TURN, MOST_TURNS)
        for _ in range(turns):
            self._count(self._decoder.take(self.frames.read(TURN)))

    def _end_gone(self) -> None:
        """Ends what is under way on sockets that are gone; all that they moved is in the ring by then."""
        connections = self._decoder.connections
        rows = connections.rows
        if not len(rows) or not self.sockets or not self.frames:
            return
        gone = rows[~self.sockets.live(connections.slot[rows], connections.generation[rows])]
        if not len(gone):
            return
        self._read()
        lossy = self.frames.forget(connections.slot[gone], connections.generation[gone])
        self._count(self._decoder.end(gone, gone[lossy]))

    def _count(self, cells: np.ndarray) -> None:
        """Keeps counted requests until the window ends."""
        self.stage.received += int(cells["requests"].sum())
        if not self._chosen.all and len(cells):
            self._chosen.refresh()
            mine = self._chosen.mask(cells["netns"])
            self.stage.received -= int(cells["requests"][~mine].sum())
            cells = rows_where(cells, mine)
        room = self._most_cells - self._cells
        if len(cells) > room:
            self.stage.drop("no_cell", int(cells["requests"][room:].sum()))
            cells = cells[:room]
        self._cells += len(cells)
        self.stage.delivered += int(cells["requests"].sum())
        if len(cells):
            self._counted.append(np.ascontiguousarray(cells))

    def _taken_passed(self) -> Iterator[np.ndarray]:
        """What proxies passed on, within the same limit."""
        cells = self._decoder.take_passed()
        if not self._chosen.all and len(cells):
            mine = self._chosen.mask(cells["netns"])
            self._passed["delivered"] += int(cells["requests"][~mine].sum())  # they are nobody's loss
            cells = rows_where(cells, mine)
        kept = cells[: self._most_cells]
        self._passed["delivered"] += int(kept["requests"].sum())
        self._passed["no_cell"] += int(cells["requests"][len(kept) :].sum())
        yield np.ascontiguousarray(kept)

    def passed_on(self) -> dict[str, int]:
        """Requests that proxies passed on to clients of HTTP/2: ``delivered``, and the others by reason."""
        return self._passed | self._decoder.streams.passed_dropped

    def _balance(self) -> None:
        """What was not counted, by reason."""
        assert self.frames
        stage, decoder, tallies = self.stage, self._decoder, self.frames.tallies()
        for reason, count in decoder.streams.dropped.items():
            stage.received += count - stage.dropped.get(reason, 0)
            if count:
                stage.dropped[reason] = count
        notes = {name: tallies[name] for name in _NOTED} | {
            "records": tallies["records"],
            "ring_full": tallies["records_lost"],
            "connections_left_out": tallies["left_out"],
            "records_left_out": decoder.connections.left_out,
            "unknown_fields": decoder.unknown,
            "unpaired": decoder.streams.unpaired,
            "under_way": len(decoder.streams),
        }
        for name, count in notes.items():
            if count or name in stage.noted:
                stage.noted[name] = count

    def catch_up(self) -> np.ndarray:
        """Nothing more."""
        return np.zeros(0, _SHARED)


assert CELL.itemsize == _SHARED.itemsize
