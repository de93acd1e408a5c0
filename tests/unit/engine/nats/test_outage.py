"""While NATS is away: pauses that grow, and no more than a line a minute."""

import pytest

from engine.nats.outage import FIRST_PAUSE, LONGEST_PAUSE, Outage


class Clock:
    """Seconds, moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A clock."""
    return Clock()


def test_pauses_double_up_to_a_bound_and_begin_anew_with_each_outage(clock: Clock) -> None:
    """A server that is back is found within the longest pause."""
    outage = Outage(clock=clock)
    pauses = [outage.failed("away") for _ in range(8)]
    assert pauses[:3] == [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE]
    assert pauses[-2:] == [LONGEST_PAUSE, LONGEST_PAUSE]
    outage.over("NATS")
    assert outage.failed("away") == FIRST_PAUSE


def test_one_line_a_minute_says_how_much_waits(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """An hour's attempts are 60 lines; each has the figures of its moment."""
    waiting = 0
    outage = Outage(lambda: f"{waiting} messages wait", clock)
    until = clock.now + 3600
    while clock.now < until:
        waiting += 1
        clock.now += outage.failed("NATS is away")
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 60
    assert lines[0] == "NATS is away; 1 messages wait"
    assert lines[-1] == f"NATS is away; {waiting - 60 / LONGEST_PAUSE + 1:.0f} messages wait"


def test_a_connection_that_flaps_is_no_flood(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """An outage soon after one that was logged is not logged, nor is its end."""
    outage = Outage(clock=clock)
    for _ in range(10):
        outage.failed("away")
        outage.over("NATS")
        clock.now += 5
    assert [record.getMessage() for record in caplog.records] == ["away", "NATS is back"]
