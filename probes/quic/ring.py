"""What the QUIC probe's programs tell: clients' first datagrams, in a ring that is read here alone."""

from typing import Final

import numpy as np

from probes.kernel.layout import structs
from probes.kernel.loader import Loaded
from probes.kernel.ring import RingReader
from probes.kernel.tallies import read_tallies, tally_names

RECORD: Final = structs("quic")["quic_record"]
_TALLIES: Final = tally_names("quic", "quic_tally")


class InitialRing:
    """Clients' first datagrams.

    :param loaded: with nothing attached yet.
    :param ring_bytes: of the ring.
    """

    def __init__(self, loaded: Loaded, ring_bytes: int) -> None:
        self._loaded = loaded
        self._ring = RingReader(loaded.maps["quic_ring"], ring_bytes, RECORD)

    def read(self) -> np.ndarray:
        """A copy of those that wait, oldest first: ``struct quic_record``; shape (n,)."""
        return self._ring.read()

    def tallies(self) -> dict[str, int]:
        """The programs' own counts since the start, by the names of ``enum quic_tally``."""
        return read_tallies(self._loaded.maps["quic_tallies"], _TALLIES)

    def close(self) -> None:
        """Unmaps the ring."""
        self._ring.close()
