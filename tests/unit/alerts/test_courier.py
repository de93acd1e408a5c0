"""The courier's lanes over hours, on a loop whose clock jumps to whatever comes next."""

import asyncio
import selectors
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest

from alerts.courier import Courier
from alerts.journal import Journal
from alerts.outbox import Outbox
from alerts.routing import Wishes
from model.alert import Alert
from model.alert_target import AlertError
from tests.unit.alerts.scripted_target import ScriptedTarget

ALERT = Alert("tailrace-1", 1, "open", "critical", "shop/b", "reset", "short", "text", 0.0, 0.0)
MINUTE = 60.0


class Jumping(selectors.DefaultSelector):
    """Waits for nothing: time goes on at once.

    :ivar now: seconds.
    """

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Whatever is ready now; else it is later."""
        ready = super().select(0)
        if not ready:
            self.now += timeout or 0.0
        return ready


class JumpingLoop(asyncio.SelectorEventLoop):
    """With a clock of its own."""

    def __init__(self) -> None:
        self.jumping = Jumping()
        super().__init__(self.jumping)

    def time(self) -> float:
        return self.jumping.now


class Away(ScriptedTarget):
    """A target that is not there for so many seconds.

    :param pause: seconds that it asks for while it is away.
    :ivar asked: seconds at which it was.
    """

    def __init__(self, until: float, pause: float = 0.0) -> None:
        super().__init__()
        self._until = until
        self._pause = pause
        self.asked: list[float] = []

    async def send(self, alert: Alert, receipt: str) -> str:
        now = asyncio.get_running_loop().time()
        self.asked.append(now)
        if now < self._until:
            raise AlertError("away", retryable=True, pause=self._pause)
        return await super().send(alert, receipt)


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    return Outbox(Journal(tmp_path / "journal"), wishes={"few": Wishes(limit=1, limit_seconds=10 * MINUTE)})


def passed(
    outbox: Outbox, targets: dict[str, ScriptedTarget], news: Callable[[Courier], Awaitable[None]]
) -> None:
    """A courier runs while news come."""

    async def run() -> None:
        loop = asyncio.get_running_loop()
        courier = Courier(outbox, targets, lambda: 1_800_000_000 + loop.time())
        lanes = asyncio.create_task(courier.run())
        await news(courier)
        lanes.cancel()
        await asyncio.wait([lanes])

    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        runner.run(run())


async def a_state_each_minute(courier: Courier, outbox: Outbox, targets: dict[str, ScriptedTarget]) -> None:
    """For half an hour, and ten minutes in which nothing is new."""
    for revision in range(1, 31):
        outbox.offer(msgspec.structs.replace(ALERT, revision=revision), targets)
        courier.wake()
        await asyncio.sleep(MINUTE)
    await asyncio.sleep(10 * MINUTE)


def test_after_half_an_hour_a_target_gets_the_newest_state_alone(outbox: Outbox) -> None:
    """It was asked a dozen times meanwhile, and another target had each state at once."""
    away, there = Away(30 * MINUTE), Away(0)
    targets: dict[str, ScriptedTarget] = {"away": away, "there": there}
    passed(outbox, targets, lambda courier: a_state_each_minute(courier, outbox, targets))
    assert [alert.revision for alert in away.alerts] == [30]
    assert len(away.asked) < 16
    pauses = [after - before for before, after in zip(away.asked, away.asked[1:], strict=False)]
    assert pauses[:8] == pytest.approx([1, 2, 4, 8, 16, 32, 64, 128])
    assert max(pauses) <= 300.01
    assert away.asked[-1] <= 35 * MINUTE
    assert [alert.revision for alert in there.alerts] == list(range(1, 31))
    assert there.asked == pytest.approx([MINUTE * number for number in range(30)], abs=0.01)


def test_what_a_target_asks_to_wait_is_waited_also_if_something_is_new(outbox: Outbox) -> None:
    busy = Away(1.0, pause=120.0)
    targets: dict[str, ScriptedTarget] = {"busy": busy}
    passed(outbox, targets, lambda courier: a_state_each_minute(courier, outbox, targets))
    assert busy.asked[:2] == pytest.approx([0.0, 120.0])


def test_what_waits_for_a_limit_comes_by_itself(outbox: Outbox) -> None:
    """Nothing wakes the lane when a token is there again."""
    few = Away(0)

    async def two_at_once(courier: Courier) -> None:
        for number in range(2):
            outbox.offer(msgspec.structs.replace(ALERT, key=f"tailrace-{number}"), ["few"])
        courier.wake()
        await asyncio.sleep(30 * MINUTE)

    passed(outbox, {"few": few}, two_at_once)
    told = [(alert.key, alert.event) for alert in few.alerts]
    assert told == [
        ("tailrace-0", "open"),
        ("tailrace-more-few", "open"),
        ("tailrace-1", "open"),
        ("tailrace-more-few", "resolve"),
    ]
    assert few.asked[2] == pytest.approx(10 * MINUTE, abs=10.01)


def test_a_target_that_forgets_is_told_again_each_minute(outbox: Outbox) -> None:
    forgets = Away(0)
    forgets.repeat_s = MINUTE

    async def once(courier: Courier) -> None:
        outbox.offer(ALERT, ["forgets"])
        courier.wake()
        await asyncio.sleep(10 * MINUTE)

    passed(outbox, {"forgets": forgets}, once)
    assert len(forgets.asked) == pytest.approx(10, abs=1)
    assert {alert.id for alert in forgets.alerts} == {ALERT.id}


def test_a_stop_in_good_order_waits_for_what_is_on_its_way(outbox: Outbox) -> None:
    """So that nothing is told again after it."""

    class Slow(ScriptedTarget):
        async def send(self, alert: Alert, receipt: str) -> str:
            await asyncio.sleep(2.0)
            return await super().send(alert, receipt)

    slow = Slow()

    async def stopped(courier: Courier) -> None:
        outbox.offer(ALERT, ["slow"])
        courier.wake()
        await asyncio.sleep(1.0)

    passed(outbox, {"slow": slow}, stopped)
    assert [alert.id for alert in slow.alerts] == [ALERT.id]
    assert outbox.waiting("slow") == 0
