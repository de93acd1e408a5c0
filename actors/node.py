"""The node's actor: frames of the probe in, messages of delta rows out."""

import logging
from collections.abc import Iterator

from actors.sockets import SocketTable
from engine.batch import DeltaBatch, chunked
from engine.frames import EventFrame, SnapshotFrame, decode
from engine.ledger import Ledger

#: Stages whose books travel with the deltas: those before the sinks, which depend on nothing but the frames.
STAGES = ("kernel", "frames", "sockets", "deltas")

log = logging.getLogger(__name__)


class NodeActor:
    """Keeps the socket table of one node and cuts its seconds into messages.

    :param boot: names this boot of the node; with ``node`` and a batch's ``seq`` it names a message for good.
    """

    def __init__(self, node: str, boot: str, slots: int, ledger: Ledger) -> None:
        self._node = node
        self._boot = boot
        self._ledger = ledger
        self._frames = ledger.stage("frames", "frames")
        self._rows = ledger.stage("deltas", "rows")
        self.table = SocketTable(slots, ledger.stage("sockets", "events"))
        self._seq = 0
        self._window = 0

    def handle(self, data: bytes) -> Iterator[bytes]:
        """Messages that a frame gives rise to: none for events, at least one for a snapshot. Never raises."""
        self._frames.received += 1
        try:
            frame = decode(data)
        except ValueError as error:
            self._frames.drop("unreadable")
            log.warning("a frame was left out: %s", error)
            return
        self._frames.delivered += 1
        yield from self._messages(frame)

    def _messages(self, frame: EventFrame | SnapshotFrame) -> Iterator[bytes]:
        if isinstance(frame, EventFrame):
            self.table.apply(frame, self._window + 1)
            return
        self._window = frame.window
        self._ledger.take("kernel", frame.account)
        columns, cgroups = self.table.tick(frame)
        self._rows.received += len(columns["socket.slot"])
        self._rows.queued += len(columns["socket.slot"])
        batch = DeltaBatch(
            self._node,
            self._boot,
            self._seq,
            frame.window,
            columns,
            cgroups,
            open_sockets=self.table.open_sockets,
            ledger={name: self._ledger.stages[name].as_dict() for name in STAGES},
        )
        for chunk in chunked(batch):
            self._seq += 1
            yield chunk.encode()
            self._rows.queued -= len(chunk)
            self._rows.delivered += len(chunk)
