"""Takes letters from the outbox to their targets: one lane each, so that a slow target delays no other."""

import asyncio
from collections.abc import Callable, Mapping
from time import time
from typing import Final

from alerts.outbox import Letter, Outbox
from model.alert_target import AlertError, AlertTarget

#: Seconds after which a lane looks again by itself: for what has to be repeated.
_LOOK_S: Final = 10.0
#: Seconds that a message which is on its way has to end in, when Tailrace stops.
_LAST_S: Final = 3.0


class Courier:
    """Of all targets.

    :param targets: by the name that the outbox knows them by; they are open.
    """

    def __init__(
        self, outbox: Outbox, targets: Mapping[str, AlertTarget], clock: Callable[[], float] = time
    ) -> None:
        self._outbox = outbox
        self._targets = targets
        self._clock = clock
        self._news = {name: asyncio.Event() for name in targets}
        self._group: asyncio.TaskGroup | None = None
        self._lanes: list[asyncio.Task[None]] = []

    def wake(self) -> None:
        """Something was offered."""
        for news in self._news.values():
            news.set()

    async def run(self) -> None:
        """Until it is cancelled."""
        try:
            async with asyncio.TaskGroup() as self._group:
                self._begin()
                await asyncio.get_running_loop().create_future()  # targets may come later
        finally:
            self._group = None

    async def replace(self, targets: Mapping[str, AlertTarget]) -> Mapping[str, AlertTarget]:
        """Go to other targets from now on; what is on its way ends first.

        :param targets: open.
        :returns: those of before, which nobody goes to any more.
        """
        for lane in self._lanes:
            lane.cancel()
        if self._lanes:
            await asyncio.wait(self._lanes)
        before, self._targets = self._targets, targets
        self._news = {name: asyncio.Event() for name in targets}
        if self._group is not None:
            self._begin()
        return before

    def _begin(self) -> None:
        assert self._group is not None
        self._lanes = [
            self._group.create_task(self._lane(name), name=f"alerts to {name}") for name in self._targets
        ]

    async def deliver(self, name: str) -> None:
        """All that is due for one target now, until it does not take one."""
        while letter := self._outbox.due(name, self._clock()):
            await self._ended(letter)
        repeat_s = getattr(self._targets[name], "repeat_s", 0.0)
        if repeat_s and self._clock() >= self._outbox.asked_again_at(name):
            for letter in self._outbox.repeated(name, self._clock(), repeat_s):
                await self._ended(letter)

    async def _ended(self, letter: Letter) -> None:
        """Sent or not; a stop in good order waits for it, so that the next start knows."""
        sending = asyncio.create_task(self._send(letter), name=f"alert to {letter.target}")
        try:
            await asyncio.shield(sending)
        except asyncio.CancelledError:
            await asyncio.wait([sending], timeout=_LAST_S)
            sending.cancel()
            raise

    async def _send(self, letter: Letter) -> None:
        target = self._targets[letter.target]
        if not getattr(target, "idempotent", False):
            self._outbox.begin(letter, self._clock())
        try:
            receipt = await target.send(letter.told, letter.receipt)
        except AlertError as error:
            self._outbox.failed(letter, error, self._clock())
        else:
            self._outbox.sent(letter, receipt, self._clock())

    async def _lane(self, name: str) -> None:
        news = self._news[name]
        while True:
            news.clear()
            await self.deliver(name)
            wait = self._outbox.asked_again_at(name) - self._clock()
            try:
                async with asyncio.timeout(min(wait, _LOOK_S) if wait > 0 else _LOOK_S):
                    await news.wait()
                    await asyncio.sleep(max(wait, 0.0))
            except TimeoutError:
                continue
