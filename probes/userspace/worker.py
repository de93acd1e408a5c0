"""The thread that looks at processes: reading and parsing files never holds up the loop."""

import contextlib
import queue
import threading
import time
from collections.abc import Iterable
from typing import Any, Final

from probes.kernel.interruption import NotWantedError
from probes.userspace.follower import Follower, processes

#: Processes that wait to be looked at, as while the first probes are compiled; those beyond are counted, and all that
#: are there are looked at instead.
WAITING: Final = 4096
TICK_SECONDS: Final = 1.0
#: A program has its libraries a moment after it began: it is looked at again behind so many ticks.
AGAIN_TICKS: Final = 2


class FollowerThread:
    """Looks at processes as they come, and once a second at what became of the others."""

    def __init__(self, follower: Follower) -> None:
        self._follower = follower
        self._queue: queue.Queue[int] = queue.Queue(WAITING)
        self._again: dict[int, int] = {}  # ticks left, by process
        self._full = False  # the queue was, since all processes were looked at
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="userspace probes", daemon=True)
        #: Set when all processes of before the start have been looked at.
        self.settled = threading.Event()

    def start(self) -> None:
        """Begins with the processes that are there."""
        self._thread.start()

    def notice(self, pids: Iterable[int]) -> None:
        """Processes that run another program now, or were seen to use what is looked for; does not block."""
        for pid in pids:
            try:
                self._queue.put_nowait(pid)
            except queue.Full:
                self._follower.counts["processes_unlooked"] += 1
                self._full = True

    def state(self) -> list[dict[str, Any]]:
        """What was found in which files."""
        return self._follower.state()

    def counts(self) -> dict[str, int]:
        """What was done and left."""
        return dict(self._follower.counts)

    def _run(self) -> None:
        with contextlib.suppress(NotWantedError):  # the first probes were being compiled
            self._work()

    def _work(self) -> None:
        for pid in processes():
            self._follower.look(pid)
            while not self._queue.empty() and not self._stop.is_set():  # those that have come go first
                self._take(0)
            if self._stop.is_set():
                return
        self.settled.set()
        due = time.monotonic() + TICK_SECONDS
        while not self._stop.is_set():
            wait = due - time.monotonic()
            if wait > 0:
                self._take(wait)
                continue
            self._tick()
            due = time.monotonic() + TICK_SECONDS

    def _take(self, seconds: float) -> None:
        try:
            pid = self._queue.get(timeout=seconds)
        except queue.Empty:
            return
        if pid and not self._follower.look(pid) and len(self._again) < WAITING:
            self._again[pid] = AGAIN_TICKS

    def _tick(self) -> None:
        self._follower.tick()
        if self._full:
            self._full = False
            for pid in processes():
                self._follower.look(pid)
        due = [pid for pid, ticks in self._again.items() if ticks <= 1]
        self._again = {pid: ticks - 1 for pid, ticks in self._again.items() if ticks > 1}
        for pid in due:
            self._follower.look(pid)

    def close(self) -> None:
        """Ends the thread, then takes the probes off."""
        self._stop.set()
        if self._thread.is_alive():
            self.notice([0])  # wakes it
            self._thread.join()
        self._follower.close()
