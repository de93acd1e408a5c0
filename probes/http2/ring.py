"""What the HTTP/2 probe's programs tell of frames: a ring that is read here alone, and the connections' state."""

import contextlib
from typing import Final

import numpy as np

from probes.http2.collecting import Collector
from probes.kernel.bpf.maps import map_delete, map_lookup
from probes.kernel.layout import ring_record, structs
from probes.kernel.loader import Loaded
from probes.kernel.ring import RingReader
from probes.kernel.tallies import read_tallies, tally_names

RECORD: Final = structs("http2")["http2_record"]
STATE: Final = structs("http2")["http2_state"]
#: Rings of records that may wait to be decoded: one in the kernel, the others in the memory of the process.
RINGS: Final = 4
#: Records that are decoded in one turn: who decodes is woken when so many wait.
TURN: Final = 1 << 15


class FrameRing:
    """Records of frames, and the map of the connections that they are of.

    :param loaded: with nothing attached yet.
    :param ring_bytes: of the ring.
    """

    def __init__(self, loaded: Loaded, ring_bytes: int) -> None:
        self._loaded = loaded
        self._ring = RingReader(loaded.maps["http2_ring"], ring_bytes, RECORD)
        # the last ring's worth may be copied when one record less than the limit waits
        most = (RINGS - 2) * ring_bytes // ring_record(RECORD).itemsize
        self._collector = Collector(self._ring, TURN, most)

    @property
    def fd(self) -> int:
        """Readable when there is much to read."""
        return self._collector.fd

    @property
    def kept(self) -> int:
        """How many records wait outside the ring: they are copied when it has many."""
        return self._collector.kept

    def collect(self) -> int:
        """How many records wait, those included that are in the ring by now."""
        return self._collector.collect()

    def read(self, most: int) -> np.ndarray:
        """The oldest records that wait, at most so many; shape (n,)."""
        return np.concatenate([np.zeros(0, RECORD), *self._collector.read(most)])

    def tallies(self) -> dict[str, int]:
        """The programs' own counts since the start, by the names of ``enum http2_tally``."""
        return read_tallies(self._loaded.maps["http2_tallies"], tally_names("http2", "http2_tally"))

    def forget(self, slots: np.ndarray, generations: np.ndarray) -> np.ndarray:
        """Lets go of connections whose sockets are gone; a slot's new one is left.

        :return: of which something was lost that no record told of; shape (n,), bool.
        """
        states = self._loaded.maps["http2_states"]
        lossy = np.zeros(len(slots), np.bool_)
        for place, (slot, generation) in enumerate(zip(slots.tolist(), generations.tolist(), strict=True)):
            key = slot.to_bytes(4, "little")
            with contextlib.suppress(FileNotFoundError):
                state = np.frombuffer(map_lookup(states, key, STATE.itemsize), STATE)[0]
                if int(state["generation"]) == generation:
                    lossy[place] = state["directions"]["lost"].any()
                    map_delete(states, key)
        return lossy

    def close(self) -> None:
        """Unmaps the ring."""
        self._collector.close()
        self._ring.close()
