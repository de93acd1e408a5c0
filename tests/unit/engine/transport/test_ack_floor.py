"""The commit floor, for every order of deliveries and acknowledgements."""

from hypothesis import given
from hypothesis import strategies as st

from engine.transport.ack_floor import AckFloor


def test_a_new_floor_has_nothing_to_commit() -> None:
    """Before a message is done there is nothing to commit."""
    floor = AckFloor()
    floor.start(5)
    assert (floor.offset, floor.committable, floor.in_flight) == (5, None, 0)
    floor.deliver(5)
    assert (floor.offset, floor.committable, floor.in_flight) == (5, None, 1)


def test_the_oldest_unfinished_message_holds_the_floor() -> None:
    """The floor rises past a run of finished messages when the one before them is done."""
    floor = AckFloor()
    floor.start(1)
    for offset in range(1, 5):
        floor.deliver(offset)
    floor.add(2)
    floor.add(3)
    assert floor.committable is None
    floor.add(1)
    assert floor.committable == 4


def test_offsets_never_delivered_hold_nothing_up() -> None:
    """A gap in the log, or one made by a seek, counts as done once the message after it is."""
    floor = AckFloor()
    floor.start(1)
    floor.deliver(1)
    floor.deliver(10)
    floor.add(1)
    assert floor.offset == 10
    floor.add(10)
    assert floor.offset == 11


def test_what_is_delivered_again_does_not_lower_the_floor() -> None:
    """A seek back makes messages be processed again, not be committed again."""
    floor = AckFloor()
    floor.start(1)
    floor.deliver(1)
    floor.add(1)
    floor.deliver(1)
    assert (floor.offset, floor.in_flight) == (2, 0)


def test_an_acknowledgement_of_a_former_assignment_is_ignored() -> None:
    """Before a start and for unknown offsets, nothing moves; the caller is notified all the same."""
    notified: list[None] = []
    floor = AckFloor(lambda: notified.append(None))
    floor.add(7)
    assert (floor.offset, floor.committable) == (0, None)
    floor.start(5)
    floor.add(9)
    assert (floor.offset, floor.committable, len(notified)) == (5, None, 2)


@given(st.data(), st.integers(1, 100), st.lists(st.integers(1, 4), min_size=1, max_size=30))
def test_the_floor_is_the_oldest_delivered_and_unfinished(
    data: st.DataObject, first: int, steps: list[int]
) -> None:
    """In any interleaving, all delivered offsets before the floor are done, and the floor never falls."""
    floor, done, delivered, seen = AckFloor(), set[int](), list[int](), first
    floor.start(first)
    offset = first
    for step in steps:
        offset += step
        floor.deliver(offset)
        delivered.append(offset)
        for finished in data.draw(st.sets(st.sampled_from(delivered))):
            floor.add(finished)
            done.add(finished)
        unfinished = [one for one in delivered if one not in done]
        assert floor.offset == min(unfinished, default=offset + 1)
        assert floor.in_flight == len(unfinished)
        assert floor.offset >= seen
        seen = floor.offset
