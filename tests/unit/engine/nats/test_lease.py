"""Leases: a worker stops before the server gives its place away."""

from engine.nats.lease import Lease
from engine.transport.nats.tenure import Tenure


class Clock:
    """Seconds, moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_lease_lapses_a_quarter_before_the_server_forgets_it() -> None:
    """The time counts from when the renewal was sent, and is a quarter shorter than the server's."""
    clock = Clock()
    lease = Lease(4.0, clock)
    assert not lease.held
    assert lease.renewed(sent_at=99.5)
    assert lease.left == 2.5
    clock.now += 2.5
    assert not lease.held


def test_a_renewal_that_comes_too_late_does_not_revive_a_lease() -> None:
    """Once lapsed, a lease stays so, until it is ended and begun anew."""
    clock = Clock()
    lease = Lease(4.0, clock)
    lease.renewed(100.0)
    clock.now += 3.5
    assert not lease.renewed(sent_at=103.0)
    lease.end()
    assert lease.renewed(sent_at=103.5)


def test_an_older_renewal_takes_nothing_away() -> None:
    """Acknowledgements may come out of order."""
    lease = Lease(4.0, Clock())
    lease.renewed(100.0)
    lease.renewed(99.0)
    assert lease.left == 3.0


def test_a_tenure_equals_its_generation_until_the_lease_lapses() -> None:
    """After that it differs even from itself, so that Faust skips the messages of that generation."""
    clock = Clock()
    lease = Lease(4.0, clock)
    lease.renewed(100.0)
    tenure = Tenure(7, lease)
    assert (tenure == 7, tenure != 7, tenure == Tenure(7, lease), tenure == 8) == (True, False, True, False)
    clock.now += 3.0
    assert (tenure == 7, tenure != 7, tenure == tenure, int(tenure)) == (
        False,
        True,
        False,
        7,
    )  # that is the point
