"""The node's actor: frames of the probe in, messages of delta rows out."""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from actors.nat.resolver import Resolver
from actors.nat.table import ENTRIES, NatTable
from actors.node.owners import Owners, WhoIs
from actors.node.sockets import SocketTable
from model.arrays import Columns
from model.batch import MESSAGE_BYTES, Batch
from model.enricher import Entity
from model.kinds.delta import DELTA
from model.ledger import Ledger
from model.outgoing import Outgoing
from model.partition import by_partition
from model.tables import NOBODY
from probes.kernel.event_types import EventTypes
from probes.kernel.frames import FEEDS, EventFrame, SnapshotFrame, decode

#: Stages whose books travel with the deltas: those before the sinks, which depend on nothing but the frames.
STAGES = ("kernel", *FEEDS, "frames", "nat", "sockets", "deltas")

log = logging.getLogger(__name__)


class NodeActor:
    """Keeps the socket table and the NAT table of one node, and cuts its seconds into messages.

    :param boot: names this boot of the node; with ``node`` and a batch's ``seq`` it names a message for good.
    :param event_types: what the probes declare of their events.
    :param entries: NAT entries that are kept.
    :param announces: whether ``nat.announce`` is called once a window.
    :param who: knows processes and containers; nobody is named without.
    """

    def __init__(
        self,
        node: str,
        boot: str,
        slots: int,
        ledger: Ledger,
        event_types: EventTypes,
        entries: int = ENTRIES,
        *,
        announces: bool = False,
        who: WhoIs | None = None,
    ) -> None:
        self._node = node
        self._boot = boot
        self._ledger = ledger
        self._frames = ledger.stage("frames", "frames")
        self._rows = ledger.stage("deltas", "rows")
        self.table = SocketTable(slots, ledger.stage("sockets", "events"))
        self.nat = NatTable(entries, ledger.stage("nat", "entries"), announces=announces)
        self._resolver = Resolver(slots, self.nat)
        self._owners = Owners(slots, who) if who else None
        self._who = who
        self._event_types = event_types
        self._receivers: dict[str, Callable[[np.ndarray, int], None]] = {
            "cgroups": lambda events, _offset_ns: self.table.learn_names(events),
            "sockets": lambda events, offset_ns: self.table.take_ends(events, offset_ns, self.window + 1),
            "nat": self.nat.learn,
            "processes": who.learn if who else _nobody_learns,
        }
        self._seq = 0
        self.window = 0

    def handle(self, data: bytes) -> Iterator[bytes]:
        """Messages that a frame gives rise to: none for events, at least one for a snapshot. Never raises."""
        for batch in self._windows(data):
            for message in self._numbered(0, batch):
                yield message.data

    def divided(self, data: bytes, partitions: int, max_bytes: int = MESSAGE_BYTES) -> Iterator[Outgoing]:
        """The same for a bus with so many partitions; a window without rows gives none. Never raises."""
        for batch in self._windows(data):
            for partition, part in by_partition(batch, partitions):
                yield from self._numbered(partition, part, max_bytes)

    def _windows(self, data: bytes) -> Iterator[Batch]:
        self._frames.received += 1
        try:
            frame = decode(data)
        except ValueError as error:
            self._frames.drop("unreadable")
            log.warning("a frame was left out: %s", error)
            return
        self._frames.delivered += 1
        if isinstance(frame, EventFrame):
            self._take(frame)
        else:
            yield self._window(frame)

    def _take(self, frame: EventFrame) -> None:
        """Each event goes to who learns from its kind."""
        unknown = len(frame.events)
        for receiver, events in self._event_types.divided(frame.events):
            self._receivers[receiver](events, frame.offset_ns)
            unknown -= len(events)
        self.table.leave_aside(unknown)

    def _window(self, frame: SnapshotFrame) -> Batch:
        self.window = frame.window
        for name, books in {"kernel": frame.account, **frame.feeds}.items():
            self._ledger.take(name, books)
        columns, cgroups = self.table.tick(frame)
        chains = self._resolver.resolve(columns, frame.window)
        entities = self._identify(columns, cgroups, frame.window)
        self._rows.received += len(columns["socket.slot"])
        self._rows.queued += len(columns["socket.slot"])
        return Batch(
            DELTA,
            self._node,
            self._boot,
            self._seq,
            frame.window,
            columns,
            {"cgroups": cgroups, "chains": chains, "entities": entities},
            {"open_sockets": self.table.open_sockets, "ledger": self.books()},
        )

    def _identify(self, columns: Columns, cgroups: list[str], window: int) -> Sequence[Entity]:
        if self._owners:
            return self._owners.identify(columns, cgroups, window)
        columns["entity.index"] = np.zeros(len(columns["socket.slot"]), np.uint32)
        return NOBODY

    def books(self) -> dict[str, dict[str, object]]:
        """The ledger's stages before the sinks."""
        return {name: self._ledger.stages[name].as_dict() for name in STAGES if name in self._ledger.stages}

    def _numbered(self, partition: int, batch: Batch, max_bytes: int = MESSAGE_BYTES) -> Iterator[Outgoing]:
        """Messages of a batch, each with the next number."""
        for chunk in replace(batch, seq=self._seq).fitting(max_bytes):
            self._seq += 1
            name = f"{self._node}.{self._boot}.{chunk.seq}"
            yield Outgoing(partition, name, len(chunk), chunk.encode())
            self._rows.queued -= len(chunk)
            self._rows.delivered += len(chunk)


def _nobody_learns(events: np.ndarray, offset_ns: int) -> None:
    """Leaves events aside whose receiver this node does not have."""
