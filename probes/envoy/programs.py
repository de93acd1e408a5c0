"""The Envoys among this machine's processes, with the probes in them, and what these count."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from model.ledger import Stage
from model.probe import Hook
from probes.envoy.functions import FINDER
from probes.kernel import bpf
from probes.kernel.layout import enums, structs
from probes.kernel.loader import Loaded
from probes.userspace.follower import Follower, Held, processes
from probes.userspace.worker import FollowerThread

_SHARED: Final = structs("tcp")["socket_event"]
_TALLIES: Final = enums("http")["link_tally"]


class EnvoyPrograms:
    """Probes in the files of all Envoys, from ``start`` to ``close``.

    :param loaded: with the programs of the probe of Envoy.
    """

    def __init__(self, loaded: Loaded) -> None:
        self._loaded = loaded
        self._thread = FollowerThread(Follower((FINDER,), self._attach))
        self._known: frozenset[int] = frozenset()

    def _attach(self, hook: Hook) -> Held:
        return self._loaded.attach_hook(hook)

    def start(self) -> None:
        """Begins with the processes that are there; does not wait for that."""
        self._known = frozenset(processes())
        self._thread.start()

    def notice(self, pids: Sequence[int]) -> None:
        """These run another program now."""
        self._thread.notice(pids)

    def poll(self) -> None:
        """Looks at processes that have come."""
        there = frozenset(processes())
        self._thread.notice(there - self._known)
        self._known = there

    def tallies(self) -> dict[str, int]:
        """The programs' own counts since the start, by the names of ``enum link_tally``."""
        names = [name for name in _TALLIES if name != "LINK_TALLIES"]
        values = bpf.percpu_lookup(self._loaded.maps["link_tallies"], len(names))
        return {name.removeprefix("LINK_").lower(): int(values[_TALLIES[name]]) for name in names}

    def counts(self) -> dict[str, int]:
        """Files and processes: looked at, attached, left."""
        return self._thread.counts()

    def state(self) -> list[dict[str, Any]]:
        """Each file that has an Envoy."""
        return self._thread.state()

    def close(self) -> None:
        """Takes the probes off."""
        self._thread.close()


class EnvoyFeed:
    """Has no events: looks for Envoys once a second, and keeps the stage ``envoy`` of the ledger."""

    behind = False
    fds: Sequence[int] = ()

    def __init__(self) -> None:
        #: None where the probe is off, or the kernel does not offer what it needs.
        self.programs: EnvoyPrograms | None = None
        self.stage = Stage("requests")

    def notice(self, _netns: np.ndarray) -> None:
        """A snapshot was taken: looks at processes that have come, and counts."""
        if not self.programs:
            return
        self.programs.poll()
        stage, tallies = self.stage, self.programs.tallies()
        stage.delivered = tallies["counted"]
        for name in ("no_cell", "doubtful"):
            if tallies[name]:
                stage.dropped[name] = tallies[name]
        stage.received = stage.delivered + stage.dropped.total()
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
