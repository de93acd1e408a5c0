"""The clock: windows follow the wall clock, slowly when it drifts and at once when it is set."""

from model.clock import SECOND_NS, SLEW_NS, Clock


class Clocks:
    """A wall and a monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.wall, self.monotonic = 1_000 * SECOND_NS, 5 * SECOND_NS

    def clock(self) -> Clock:
        return Clock(lambda: self.wall, lambda: self.monotonic)

    def advance(self, wall_ns: int) -> None:
        self.wall += wall_ns
        self.monotonic += SECOND_NS


def test_maps_monotonic_to_wall() -> None:
    """At the start the two clocks agree."""
    clocks = Clocks()
    assert clocks.clock().now() == clocks.wall


def test_drift_is_slewed() -> None:
    """Two milliseconds of drift are made up for half a millisecond at a time."""
    clocks = Clocks()
    clock = clocks.clock()
    clocks.advance(SECOND_NS + 4 * SLEW_NS)
    errors = []
    for _ in range(5):
        clock.correct()
        errors.append(clocks.wall - clock.now())
    assert errors == [3 * SLEW_NS, 2 * SLEW_NS, SLEW_NS, 0, 0]
    assert clock.steps == 0


def test_a_clock_that_was_set_is_followed_at_once() -> None:
    """An hour's step is taken in one go, and counted."""
    clocks = Clocks()
    clock = clocks.clock()
    clocks.advance(3600 * SECOND_NS)
    clock.correct()
    assert clock.now() == clocks.wall
    assert clock.steps == 1
