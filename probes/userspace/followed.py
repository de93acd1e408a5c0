"""Probes in the files that processes run, looked after by a thread."""

from collections.abc import Callable, Sequence
from typing import Any

from model.probe import Hook
from probes.userspace.finding import Finder
from probes.userspace.follower import Follower, Held
from probes.userspace.worker import FollowerThread


class Followed:
    """From ``start`` to ``close``.

    :param attach: attaches a hook until what it gives is closed; may raise NotWantedError and ProbeError.
    :param finders: of what is looked for.
    """

    def __init__(self, attach: Callable[[Hook], Held], finders: Sequence[Finder]) -> None:
        self._thread = FollowerThread(Follower(finders, attach))

    def start(self) -> None:
        """Begins with the processes that are there; does not wait for that."""
        self._thread.start()

    def notice(self, pids: Sequence[int]) -> None:
        """These run another program now."""
        self._thread.notice(pids)

    def counts(self) -> dict[str, int]:
        """Files and processes: looked at, attached, left."""
        return self._thread.counts()

    def state(self) -> list[dict[str, Any]]:
        """Each file in which something is."""
        return self._thread.state()

    def close(self) -> None:
        """Takes the probes off."""
        self._thread.close()
