"""The commit offset, for every order of deliveries and acknowledgements."""

from hypothesis import given
from hypothesis import strategies as st

from engine.transport.commit_offset import CommitOffset


def test_a_new_commit_offset_has_nothing_to_commit() -> None:
    """Before a message is done there is nothing to commit."""
    commit = CommitOffset()
    commit.start(5)
    assert (commit.offset, commit.committable, commit.in_flight) == (5, None, 0)
    commit.deliver(5)
    assert (commit.offset, commit.committable, commit.in_flight) == (5, None, 1)


def test_the_oldest_unfinished_message_holds_the_commit_offset() -> None:
    """The commit offset rises past a run of finished messages when the one before them is done."""
    commit = CommitOffset()
    commit.start(1)
    for offset in range(1, 5):
        commit.deliver(offset)
    commit.add(2)
    commit.add(3)
    assert commit.committable is None
    commit.add(1)
    assert commit.committable == 4


def test_offsets_never_delivered_hold_nothing_up() -> None:
    """A gap in the log, or one made by a seek, counts as done once the message after it is."""
    commit = CommitOffset()
    commit.start(1)
    commit.deliver(1)
    commit.deliver(10)
    commit.add(1)
    assert commit.offset == 10
    commit.add(10)
    assert commit.offset == 11


def test_what_is_delivered_again_does_not_lower_the_commit_offset() -> None:
    """A seek back makes messages be processed again, not be committed again."""
    commit = CommitOffset()
    commit.start(1)
    commit.deliver(1)
    commit.add(1)
    commit.deliver(1)
    assert (commit.offset, commit.in_flight) == (2, 0)


def test_an_acknowledgement_of_a_former_assignment_is_ignored() -> None:
    """Before a start and for unknown offsets, nothing moves; the caller is notified all the same."""
    notified: list[None] = []
    commit = CommitOffset(lambda: notified.append(None))
    commit.add(7)
    assert (commit.offset, commit.committable) == (0, None)
    commit.start(5)
    commit.add(9)
    assert (commit.offset, commit.committable, len(notified)) == (5, None, 2)


@given(st.data(), st.integers(1, 100), st.lists(st.integers(1, 4), min_size=1, max_size=30))
def test_the_commit_offset_is_the_oldest_delivered_and_unfinished(
    data: st.DataObject, first: int, steps: list[int]
) -> None:
    """In any interleaving, all delivered offsets before the commit offset are done, and it never falls."""
    commit, done, delivered, seen = CommitOffset(), set[int](), list[int](), first
    commit.start(first)
    offset = first
    for step in steps:
        offset += step
        commit.deliver(offset)
        delivered.append(offset)
        for finished in data.draw(st.sets(st.sampled_from(delivered))):
            commit.add(finished)
            done.add(finished)
        unfinished = [one for one in delivered if one not in done]
        assert commit.offset == min(unfinished, default=offset + 1)
        assert commit.in_flight == len(unfinished)
        assert commit.offset >= seen
        seen = commit.offset
