"""The TLS libraries of this machine's processes, with the probes in them, and what these count."""

import contextlib
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from model.ledger import Stage
from model.probe import Hook
from probes.kernel.bpf.maps import pop_all
from probes.kernel.layout import structs
from probes.kernel.loader import Loaded
from probes.kernel.mapped import MappedArray
from probes.kernel.tallies import read_tallies, tally_names
from probes.tls.finders import FINDERS
from probes.userspace.followed import Followed
from probes.userspace.follower import Held

#: Processes taken from the queue at once.
_TAKEN: Final = 512
#: How the map ``tls_come`` is laid out.
_COME: Final = np.dtype([("processes", "<u8")])
_SHARED: Final = structs("tcp")["socket_event"]
_TALLIES: Final = tally_names("tls", "tls_tally")
#: Counts of the programs that lost nothing.
_NOTED: Final = ("by_call", "by_record", "mismatched", "untold")


class TlsLibraries(Followed):
    """Probes in the libraries of all processes, from ``start`` to ``close``.

    :param loaded: with the maps of the TLS probe.
    :param attach: as of ``Followed``.
    """

    def __init__(self, loaded: Loaded, attach: Callable[[Hook], Held]) -> None:
        super().__init__(attach, FINDERS)
        self._loaded = loaded
        self._come = MappedArray(loaded.maps["tls_come"], _COME, 1)
        self._taken = 0
        #: Told of the processes that have come, too.
        self.listeners: list[Callable[[Sequence[int]], None]] = []

    def poll(self) -> None:
        """Looks at processes that have come."""
        if self._taken == int(self._come.view(1)["processes"][0]):
            return
        come = pop_all(self._loaded.maps["tls_processes"], _TAKEN)
        self._taken += len(come)
        self.notice(come)
        for listener in self.listeners:
            listener(come)

    def tallies(self) -> dict[str, int]:
        """The programs' own counts since the start, by the names of ``enum tls_tally``."""
        return read_tallies(self._loaded.maps["tls_tallies"], _TALLIES)

    def close(self) -> None:
        """Takes the probes off, and lets go of mapped memory."""
        super().close()
        with contextlib.suppress(AttributeError):
            del self._come


class TlsFeed:
    """Has no events: looks after the libraries ten times a second, and keeps the stage ``tls`` of the ledger."""

    behind = False
    fds: Sequence[int] = ()

    def __init__(self) -> None:
        #: None where the probe is off, or the kernel does not offer what it needs.
        self.libraries: TlsLibraries | None = None
        self.stage = Stage("texts")

    def notice(self, _netns: np.ndarray) -> None:
        """A snapshot was taken."""
        if not self.libraries:
            return
        stage, tallies = self.stage, self.libraries.tallies()
        stage.delivered = tallies["texts"]
        if tallies["unmapped"]:
            stage.dropped["socket_unknown"] = tallies["unmapped"]
        stage.received = stage.delivered + stage.dropped.total()
        for name, count in (*((name, tallies[name]) for name in _NOTED), *self.libraries.counts().items()):
            if count:
                stage.noted[name] = count

    def missed(self, begin_ns: int, end_ns: int) -> None:
        """Nothing of it comes by the ring."""

    def events(self) -> np.ndarray:
        """None; looks at processes that have come."""
        if self.libraries:
            self.libraries.poll()
        return np.zeros(0, _SHARED)

    def catch_up(self) -> np.ndarray:
        """Nothing more."""
        return np.zeros(0, _SHARED)
