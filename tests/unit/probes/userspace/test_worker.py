"""The thread that looks at processes."""

import threading

import pytest

from model.probe import Hook
from probes.userspace import worker
from probes.userspace.follower import Follower, Held
from probes.userspace.worker import FollowerThread
from tests.kernel.loopback import until

THERE = [1, 2, 3]


def _refuse(hook: Hook) -> Held:
    raise AssertionError(hook)


class Slow(Follower):
    """Looks at its first process for as long as it is told to, as if the probes in it were compiled."""

    def __init__(self) -> None:
        super().__init__((), _refuse)
        self.looked: list[int] = []
        self.compiled = threading.Event()

    def look(self, process: int) -> bool:
        self.looked.append(process)
        self.compiled.wait(60)
        return True

    def tick(self) -> None:
        """Leaves nothing."""


def test_all_are_looked_at_when_more_come_than_can_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those beyond are counted; none of them is missed."""
    monkeypatch.setattr(worker, "processes", lambda: THERE)
    monkeypatch.setattr(worker, "WAITING", 2)
    monkeypatch.setattr(worker, "TICK_SECONDS", 0.01)
    follower = Slow()
    thread = FollowerThread(follower)
    thread.start()
    try:
        thread.notice([11, 12, 13, 14])
        follower.compiled.set()
        assert until(lambda: follower.looked.count(THERE[-1]) == 2)
        assert {11, 12} < {*follower.looked}
        assert thread.counts()["processes_unlooked"] == 2
    finally:
        thread.close()
