"""Server names of QUIC as events: those that hellos of TLS have (``struct hello_event``)."""

import logging
import time
from collections.abc import Sequence
from typing import Final, Protocol

import numpy as np

from model.ledger import Stage
from probes.kernel.layout import enums, rows_where, structs
from probes.kernel.namespaces import ChosenNamespaces
from probes.quic.flows import QuicHellos
from probes.quic.hello import ClientHello
from probes.quic.libcrypto import Aes128, NoCryptoError

log = logging.getLogger(__name__)

EVENT: Final = structs("handshake")["hello_event"]
_SHARED: Final = structs("kernel")["ring_event"]
_KIND: Final = enums("handshake")["handshake_event"]["KIND_HANDSHAKE"]
_CUT: Final = enums("handshake")["handshake_flag"]["HANDSHAKE_CUT"]
_NAME_BYTES: Final = EVENT["name"].itemsize
_OFFERED_BYTES: Final = EVENT["offered"].itemsize
#: Datagrams that are opened in a second; each takes some 40 µs.
MOST_PER_SECOND: Final = 1000


class Datagrams(Protocol):
    """What the kernel tells of clients' first datagrams."""

    def read(self) -> np.ndarray: ...

    def tallies(self) -> dict[str, int]: ...


class QuicFeed:
    """Opens clients' first datagrams and tells what their hellos say; the datagrams end here.

    :param chosen: network namespaces whose flows are reported.
    """

    behind = False
    fds: Sequence[int] = ()

    def __init__(self, chosen: ChosenNamespaces) -> None:
        #: What is read; None where the probe is off.
        self.datagrams: Datagrams | None = None
        self.stage = Stage("datagrams")
        self._chosen = chosen
        self._hellos: QuicHellos | None = None
        self._second, self._opened = 0, 0
        try:
            self._hellos = QuicHellos(Aes128())
        except NoCryptoError as error:
            log.warning("QUIC's first packets are not opened: %s", error)

    def notice(self, _netns: np.ndarray) -> None:
        """A flow's name goes ahead of the snapshot that has it, whichever it is."""

    def missed(self, begin_ns: int, end_ns: int) -> None:
        """Nothing of it comes by the shared ring."""

    def catch_up(self) -> np.ndarray:
        """Nothing more."""
        return np.zeros(0, _SHARED)

    def events(self) -> np.ndarray:
        """Hellos of flows that are complete now, as records of the shared ring."""
        if not self.datagrams:
            return np.zeros(0, _SHARED)
        records = self.datagrams.read()
        self._balance(len(records))
        if not self._chosen.all and len(records):
            self._chosen.refresh()
            mine = self._chosen.mask(records["netns"])
            self.stage.delivered += int(np.count_nonzero(~mine))
            records = rows_where(records, mine)
        told = [hello_event(record, hello) for record in records if (hello := self._hello(record))]
        return np.concatenate(told).view(_SHARED) if told else np.zeros(0, _SHARED)

    def _hello(self, record: np.void) -> ClientHello | None:
        now_s = time.monotonic()
        if int(now_s) != self._second:
            self._second, self._opened = int(now_s), 0
            if self._hellos:
                self._hellos.expire(now_s)
        self._opened += 1
        if not self._hellos or self._opened > MOST_PER_SECOND:
            self.stage.drop("over_rate" if self._hellos else "no_crypto")
            return None
        header = record["header"]
        flow = int(header["slot"]), int(header["generation"])
        payload = record["payload"].tobytes()[: int(record["length"])]
        before, opened = self._hellos.dropped.copy(), self._hellos.read
        hello = self._hellos.take(flow, payload, now_s)
        self.stage.dropped.update(self._hellos.dropped - before)
        self.stage.delivered += self._hellos.read - opened
        self.stage.noted = self._hellos.noted.copy()
        return hello if hello and (hello.server_name or hello.protocols) else None

    def _balance(self, read: int) -> None:
        assert self.datagrams
        tallies, stage = self.datagrams.tallies(), self.stage
        for reason in ("ring_full", "unreadable"):
            if tallies[reason]:
                stage.received += tallies[reason] - stage.dropped[reason]
                stage.dropped[reason] = tallies[reason]
        stage.received += read


def hello_event(record: np.void, hello: ClientHello) -> np.ndarray:
    """What TLS tells of a connection, of the flow of a record; shape (1,).

    :param record: ``struct quic_record``.
    """
    event = np.zeros(1, EVENT)
    header = event["header"]
    for field in ("at_ns", "slot", "generation"):
        header[field] = record["header"][field]
    header["kind"] = _KIND
    event["netns"] = record["netns"]
    name, offered = hello.server_name[:_NAME_BYTES], hello.protocols[:_OFFERED_BYTES]
    event["flags"] = _CUT if len(hello.server_name) > _NAME_BYTES else 0
    event["name_length"], event["offered_length"] = len(name), len(offered)
    event["name"], event["offered"] = name, np.void(offered.ljust(_OFFERED_BYTES, b"\0"))
    return event


assert EVENT.itemsize == _SHARED.itemsize
