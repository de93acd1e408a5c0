"""The Envoys among this machine's processes, with the probes in them, and what these count."""

from collections.abc import Callable, Sequence
from typing import Final, Protocol

import numpy as np

from model.ledger import Stage
from model.probe import Hook
from probes.envoy.functions import FINDER
from probes.kernel.layout import structs
from probes.kernel.loader import Loaded
from probes.kernel.tallies import read_tallies, tally_names
from probes.userspace.followed import Followed
from probes.userspace.follower import Held, processes

_SHARED: Final = structs("tcp")["socket_event"]
_TALLIES: Final = tally_names("http", "link_tally")


class EnvoyPrograms(Followed):
    """Probes in the files of all Envoys, from ``start`` to ``close``.

    :param loaded: with the maps of the probe of Envoy.
    :param attach: as of ``Followed``.
    """

    def __init__(self, loaded: Loaded, attach: Callable[[Hook], Held]) -> None:
        super().__init__(attach, (FINDER,))
        self._loaded = loaded
        self._known: frozenset[int] = frozenset(processes())

    def poll(self) -> None:
        """Looks at processes that have come."""
        there = frozenset(processes())
        self.notice([*(there - self._known)])
        self._known = there

    def tallies(self) -> dict[str, int]:
        """The programs' own counts since the start, by the names of ``enum link_tally``."""
        return read_tallies(self._loaded.maps["link_tallies"], _TALLIES)


class Streams(Protocol):
    """Who counts requests that clients of HTTP/2 were answered."""

    def passed_on(self) -> dict[str, int]:
        """Those that an Envoy passed on: ``delivered``, and the others by reason."""


class EnvoyFeed:
    """Has no events: looks for Envoys once a second, and keeps the stage ``envoy`` of the ledger.

    :param streams: None where HTTP/2 is not followed.
    """

    behind = False
    fds: Sequence[int] = ()

    def __init__(self, streams: Streams | None = None) -> None:
        self._streams = streams
        #: None where the probe is off, or the kernel does not offer what it needs.
        self.programs: EnvoyPrograms | None = None
        self.stage = Stage("requests")

    def notice(self, _netns: np.ndarray) -> None:
        """A snapshot was taken: looks at processes that have come, and counts."""
        if not self.programs:
            return
        self.programs.poll()
        stage, tallies = self.stage, self.programs.tallies()
        streams = self._streams.passed_on() if self._streams else {}
        ended = streams.pop("delivered", 0)
        stage.delivered = tallies["counted"] + ended
        dropped = {
            "no_cell": tallies["no_cell"],
            "doubtful": tallies["doubtful"],
            "ring_full": tallies["no_record"],
        }
        for name, count in streams.items():
            dropped[name] = dropped.get(name, 0) + count
        stage.dropped.update({name: count for name, count in dropped.items() if count})
        stage.queued = max(0, tallies["told"] - ended - sum(streams.values()))
        stage.received = stage.delivered + stage.dropped.total() + stage.queued
        if tallies["own"]:
            stage.noted["own"] = tallies["own"]
        for name, count in self.programs.counts().items():
            if count:
                stage.noted[name] = count

    def missed(self, begin_ns: int, end_ns: int) -> None:
        """Nothing of it comes by the ring."""

    def events(self) -> np.ndarray:
        """None: links come with the requests."""
        return np.zeros(0, _SHARED)

    def catch_up(self) -> np.ndarray:
        """Nothing more."""
        return np.zeros(0, _SHARED)
