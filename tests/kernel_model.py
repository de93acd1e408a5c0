"""A small model of the kernel side: slots, generations, cells, descriptions and a ring that can lose events."""

from dataclasses import dataclass, field

import numpy as np

from model.kinds.delta import COUNTERS, NO_SLOT
from model.ledger import Stage
from probes.kernel.frames import EventFrame, SnapshotFrame
from probes.kernel.layout import structs
from tests.declared import KIND

ESTABLISHED = 1


@dataclass
class ModelSocket:
    """A socket with its true counters; ``key`` is (slot, generation)."""

    slot: int
    generation: int
    counters: np.ndarray = field(default_factory=lambda: np.zeros((), structs("tcp")["tcp_counters"]))

    @property
    def key(self) -> tuple[int, int]:
        return self.slot, self.generation


class ModelKernel:
    """Opens, moves and closes sockets as bpf/*.c does; gives frames as probes/source.py does."""

    def __init__(self, slots: int) -> None:
        self.free = list(range(slots - 1, -1, -1))
        self.generations = [0] * slots
        self.open: list[ModelSocket] = []
        self.closed: dict[tuple[int, int], np.ndarray] = {}
        self.lost: set[tuple[int, int]] = set()
        self.ring: list[np.ndarray] = []
        self.overdue = 0  # events that a tick has already left in the ring
        self.slotless = 0
        self._given: dict[int, int] = {}

    def connect(self) -> ModelSocket:
        """A new established socket, without a slot when all are taken."""
        if self.free:
            slot = self.free.pop()
            self.generations[slot] += 1
            socket = ModelSocket(slot, self.generations[slot])
        else:
            self.slotless += 1
            socket = ModelSocket(NO_SLOT, self.slotless)
        self.open.append(socket)
        return socket

    def move(self, index: int, amount: int) -> None:
        """Adds to all counters of one open socket; 32-bit ones wrap."""
        if self.open:
            counters = self.open[index % len(self.open)].counters
            for place, name in enumerate(COUNTERS):
                dtype = counters[name].dtype
                counters[name] = (int(counters[name]) + amount + place) % (1 << 8 * dtype.itemsize)

    def close(self, index: int, *, lose: bool = False) -> None:
        """Ends one open socket; its event goes into the ring, or is lost."""
        if not self.open:
            return
        socket = self.open.pop(index % len(self.open))
        self.closed[socket.key] = socket.counters.copy()
        if lose:
            self.lost.add(socket.key)
        else:
            self.ring.append(self._event(socket))
        if socket.slot != NO_SLOT:
            self.free.append(socket.slot)

    def _event(self, socket: ModelSocket) -> np.ndarray:
        event = np.zeros((), structs("tcp")["socket_event"])
        header = event["header"]
        header["slot"], header["generation"] = socket.key
        header["kind"], header["old_state"] = KIND["KIND_CLOSE"], 9
        event["socket"] = self._description(socket)
        event["counters"] = socket.counters
        return event

    @staticmethod
    def _description(socket: ModelSocket) -> np.ndarray:
        description = np.zeros((), structs("tcp")["description"])
        description["generation"] = socket.generation
        description["started_ns"] = description["established_ns"] = 1
        description["local_port"] = socket.slot & 0xFFFF
        return description

    def drain(self, events: int) -> EventFrame:
        """The oldest events, at most so many."""
        self.overdue = max(0, self.overdue - events)
        taken, self.ring = self.ring[:events], self.ring[events:]
        rows = (
            np.array(taken, structs("tcp")["socket_event"])
            if taken
            else np.empty(0, structs("tcp")["socket_event"])
        )
        return EventFrame(0, rows)

    def drain_for_tick(self, events: int) -> EventFrame:
        """As the source does before a tick: all events but some of the newest, which come with the next tick."""
        frame = self.drain(max(events, self.overdue))
        self.overdue = len(self.ring)
        return frame

    def snapshot(self, withheld: int = -1, window: int = 0) -> SnapshotFrame:
        """All live cells; the description of slot ``withheld`` is being written just now."""
        live = sorted((socket for socket in self.open if socket.slot != NO_SLOT), key=lambda it: it.slot)
        new = [it for it in live if self._given.get(it.slot) != it.generation and it.slot != withheld]
        self._given |= {it.slot: it.generation for it in new}
        return SnapshotFrame(
            0,
            window,
            np.array([it.slot for it in live], np.uint32),
            np.array([self._cell(it) for it in live], structs("tcp")["cell"]),
            np.array([it.slot for it in new], np.uint32),
            np.array([self._description(it) for it in new], structs("tcp")["description"]),
            Stage("events").as_dict(),
        )

    @staticmethod
    def _cell(socket: ModelSocket) -> np.ndarray:
        cell = np.zeros((), structs("tcp")["cell"])
        cell["socket"] = 1
        cell["generation"] = cell["read_generation"] = socket.generation
        cell["state"] = ESTABLISHED
        cell["counters"] = socket.counters
        return cell
