"""Messages of ctnetlink as they come: entries that began or ended, each with its time, and what was lost between."""

import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from model.ledger import Stage
from probes.conntrack.ctnetlink import Entries, Reader
from probes.conntrack.namespace_numbers import overrun
from probes.conntrack.socket import hear_all, open_listener
from probes.conntrack.times import EntryTimes
from probes.kernel.bulk_receiver import BulkReceiver, Received
from probes.kernel.layout import enums

_NEW: Final = enums("conntrack")["conntrack_event"]["KIND_NAT_NEW"]
#: Calls that one read() makes at most; what still waits comes with the next.
CALLS: Final = 64


@dataclass(frozen=True)
class Heard:
    """Some messages. Each entry began or ended between ``first_ns`` and ``last_ns``, monotonic; shape (n,), uint64.

    :param numbers: of their network namespaces (nsid).
    :param cut: messages that were too long to be read.
    """

    entries: Entries
    numbers: np.ndarray
    first_ns: np.ndarray
    last_ns: np.ndarray
    cut: int


@dataclass(frozen=True)
class Loss:
    """Messages made between these times, monotonic, may be missing."""

    begin_ns: int
    end_ns: int


class Listener:
    """The socket, and when it was empty: what it hears next was made after that.

    :param buffer_bytes: memory of the kernel for messages that wait.
    :param times: tells when each message was made; without it that is known only from one look to the next.
    :param udp: whether entries of UDP are wanted.
    :raises OSError: without CAP_NET_ADMIN, or if the kernel has no ctnetlink.
    """

    def __init__(
        self,
        buffer_bytes: int,
        times: EntryTimes | None,
        stage: Stage,
        monotonic: Callable[[], int],
        *,
        udp: bool = True,
    ) -> None:
        self._times = times
        self._stage = stage
        self._monotonic = monotonic
        self._reader, self._receiver = Reader(udp=udp), BulkReceiver()
        self._overrun = False
        self._doubtful_ns = 0  # the first time that may be of a message that was lost; 0: none
        self._heard_ns = monotonic()
        self._socket: socket.socket = open_listener(buffer_bytes, times.program if times else None, udp=udp)
        #: Whether it hears of other network namespaces than its own.
        self.everywhere = hear_all(self._socket)

    def read(self) -> Iterator[Heard | Loss]:
        """What came since the last call, in order. Does not block."""
        begin = self._monotonic()
        for _ in range(CALLS):
            now = self._monotonic()
            waiting = self._times.look() if self._times else 0
            received = self._receive()
            if received is not None:
                yield self._heard(received)
            elif self._overrun:  # only an empty socket hears again
                yield self._loss(waiting, now)
            else:
                if self._times:
                    self._times.forget(self._times.older(self._heard_ns))
                self._heard_ns = begin
                return
        yield Loss(self._heard_ns, self._monotonic())  # what waits may come too late for its connections

    def _receive(self) -> Received | None:
        while True:
            try:
                return self._receiver.receive(self._socket.fileno())
            except OSError as error:  # the kernel says it once for each time that it finds the socket full
                if not overrun(error):
                    raise
            self._stage.note("overruns")
            self._overrun = True

    def _heard(self, received: Received) -> Heard:
        entries = self._reader.read(received.messages, received.lengths)
        first, last = self._when(entries)
        return Heard(entries, received.namespaces[entries.rows], first, last, received.cut)

    def _when(self, entries: Entries) -> tuple[np.ndarray, np.ndarray]:
        """Between which times each message was made: since the socket was empty, where more is not known."""
        new, now = entries.events["header"]["kind"] == _NEW, np.uint64(self._monotonic())
        if not self._times:
            return np.full(len(new), self._heard_ns, np.uint64), np.full(len(new), now)
        first, last = self._times.of(entries.ids, new, lossy=self._overrun)
        if len(doubtful := first[(first != last)]):
            self._doubtful_ns = min(self._doubtful_ns or int(now), int(doubtful.min()))
        unknown = first == 0
        return np.where(unknown, np.uint64(self._heard_ns), first), np.where(unknown, now, last)

    def _loss(self, waiting: int, now: int) -> Loss:
        """The socket was full, and is empty again.

        :param waiting: so many times have messages that were lost.
        :param now: a time at which it was empty already.
        """
        lost = self._times.forget(waiting) if self._times else None
        loss = Loss(self._heard_ns, now)
        if lost is not None and len(lost):
            begin = int(lost.min())
            loss = Loss(min(begin, self._doubtful_ns or begin), int(lost.max()))
        self._overrun, self._heard_ns, self._doubtful_ns = False, now, 0
        return loss

    def close(self) -> None:
        """Closes the socket and gives up the times."""
        self._socket.close()
        if self._times:
            self._times.close()
