"""What became of TLS handshakes, for the ledger: their events come by the shared ring."""

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from model.ledger import Stage
from probes.kernel.layout import structs
from probes.kernel.loader import Loaded
from probes.kernel.tallies import read_tallies, tally_names

#: Reasons for which a handshake that began is not told.
_DROPPED: Final = ("unreadable", "abandoned", "evicted")
_SHARED: Final = structs("tcp")["socket_event"]


class HandshakeTallies:
    """The programs' own counts since the start, by the names of ``enum handshake_tally``."""

    def __init__(self, loaded: Loaded) -> None:
        self._map = loaded.maps["handshake_tallies"]

    def __call__(self) -> dict[str, int]:
        """As they are now."""
        return read_tallies(self._map, tally_names("handshake", "handshake_tally"))


class HandshakeCounts:
    """A feed without events: its stage alone is wanted."""

    behind = False
    fds: tuple[int, ...] = ()

    def __init__(self) -> None:
        #: Where the counts come from; None: nothing is counted.
        self.tallies: Callable[[], Mapping[str, int]] | None = None
        self.stage = Stage("handshakes")

    def notice(self, _netns: np.ndarray) -> None:
        """Brings the stage up to date. What began and is not over is queued, for no two counts are of one moment."""
        if self.tallies is None:
            return
        counts, stage = self.tallies(), self.stage
        stage.delivered = counts["told"]
        for reason in _DROPPED:
            if counts[reason]:
                stage.dropped[reason] = counts[reason]
        if counts["unsent"]:
            stage.dropped["ring_full"] = counts["unsent"]
        done = stage.delivered + sum(stage.dropped.values())
        stage.received = max(counts["begun"], done)
        stage.queued = stage.received - done
        for name in ("unanswered", "joined"):
            if counts[name]:
                stage.noted[name] = counts[name]

    def missed(self, begin_ns: int, end_ns: int) -> None:
        """Counted already."""

    def events(self) -> np.ndarray:
        """None."""
        return np.zeros(0, _SHARED)

    def catch_up(self) -> np.ndarray:
        """None."""
        return np.zeros(0, _SHARED)
