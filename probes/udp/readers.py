"""Who receives from sockets that send nothing: a hook that runs at every receive of the machine, attached while it is
needed."""

import time
from collections.abc import Callable
from typing import Final

from model.errors import ProbeError
from model.probe import Hook
from probes.kernel.loader import Loaded
from probes.udp.probe import READERS

#: Seconds for which the hook stays after the last datagram for such a socket: flows that nobody answers rest as long.
LINGER_S: Final = 30
#: Seconds without a reader after which it goes all the same, and for which it stays away then: datagrams that nobody
#: reads shall not cost others their time.
PATIENCE_S: Final = 60
PAUSE_S: Final = 300


class ReaderHook:
    """Attached, or set aside.

    :param loaded: with all hooks attached.
    :param seen: how many sockets' readers were seen since the start.
    """

    def __init__(
        self, loaded: Loaded, seen: Callable[[], int], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._loaded = loaded
        self._seen = seen
        self._clock = clock
        links = [one.links for one in loaded.attached]
        ways = READERS.alternatives
        self._hook: Hook | None = next((way for way in ways if any(way in held for held in links)), None)
        #: Whether it runs now.
        self.attached = False
        self._before = 0
        self._waited_at = self._found_at = 0.0
        self._away_until = 0.0
        if self._hook:
            loaded.set_aside(self._hook)

    def look(self, *, waiting: bool) -> None:
        """Once a second.

        :param waiting: whether a socket got datagrams of which no process is known to have received or sent any.
        """
        now = self._clock()
        if waiting:
            self._waited_at = now
        if self._hook and self.attached:
            self._leave(self._hook, now)
        elif self._hook and waiting and now >= self._away_until:
            self._attach(self._hook, now)

    def _attach(self, hook: Hook, now: float) -> None:
        try:
            self._loaded.resume(hook)
        except ProbeError:
            self._hook = None  # the kernel took it once: what it allows has changed
            return
        self.attached, self._before, self._found_at = True, self._seen(), now

    def _leave(self, hook: Hook, now: float) -> None:
        before, self._before = self._before, self._seen()
        if self._before != before:
            self._found_at = now
        in_vain = now - self._found_at > PATIENCE_S
        if in_vain or now - self._waited_at > LINGER_S:
            self._loaded.set_aside(hook)
            self.attached = False
            self._away_until = now + PAUSE_S if in_vain else now
