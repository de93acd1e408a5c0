"""Hellos of QUIC flows out of their first datagrams; what comes in several is kept meanwhile, within bounds. Pure."""

from collections import Counter
from typing import Final

from probes.quic.hello import ClientHello, HelloPieces, NoHelloError
from probes.quic.libcrypto import Aes128
from probes.quic.packets import NotOpenedError, opened

#: Slot and generation of a flow.
Flow = tuple[int, int]
#: Flows whose hello is not complete, and for how many seconds they are kept.
MOST_FLOWS: Final = 1024
PATIENCE_S: Final = 5.0


class QuicHellos:
    """Hellos while they come.

    :param aes: what opens packets.
    :ivar dropped: datagrams that said nothing, by reason.
    :ivar noted: what became of flows.
    """

    def __init__(self, aes: Aes128) -> None:
        self._aes = aes
        self._waiting: dict[Flow, tuple[float, HelloPieces]] = {}
        self.read = 0
        self.dropped: Counter[str] = Counter()
        self.noted: Counter[str] = Counter()

    def take(self, flow: Flow, datagram: bytes, now_s: float) -> ClientHello | None:
        """What a flow's hello says, once it is complete: once for each flow that sends it once."""
        pieces = self._waiting.pop(flow, (now_s, HelloPieces()))[1]
        try:
            for frames in opened(datagram, self._aes):
                pieces.take(frames)
            hello = pieces.hello()
        except NotOpenedError as error:
            self.dropped[error.reason] += 1
            hello = None
        except NoHelloError:
            self.dropped["no_hello"] += 1
            return None
        else:
            self.read += 1
        if hello is None and pieces.pieces:
            self._wait(flow, pieces, now_s)
        elif hello is not None and not hello.server_name:
            self.noted["without_name"] += 1
        return hello

    def _wait(self, flow: Flow, pieces: HelloPieces, now_s: float) -> None:
        """Keeps pieces; of too many flows the oldest is forgotten."""
        if len(self._waiting) >= MOST_FLOWS:
            self._waiting.pop(next(iter(self._waiting)))
            self.noted["forgotten"] += 1
        self._waiting[flow] = (now_s, pieces)

    def expire(self, now_s: float) -> None:
        """Forgets flows whose hello was not completed."""
        old = [flow for flow, (since_s, _) in self._waiting.items() if now_s - since_s > PATIENCE_S]
        for flow in old:
            del self._waiting[flow]
        if old:
            self.noted["incomplete"] += len(old)
