"""The bytes under way to one client are bounded, however many readers it has."""

from hypothesis import given
from hypothesis import strategies as st

from engine.transport.nats.budget import LONG, SHORT, Budget


def test_a_lone_reader_may_have_all_of_it() -> None:
    """One reader's request is as large as the budget; two share it."""
    budget = Budget(total=100, least=10)
    budget.readers = 1
    assert (budget.share, budget.request_seconds) == (100, LONG)
    budget.readers = 2
    assert budget.share == 50


def test_readers_in_a_crowd_take_turns() -> None:
    """When the smallest requests of all are too much, one waits until another's is over."""
    budget = Budget(total=25, least=10)
    budget.readers = 3
    woken: list[str] = []
    wakes = {name: lambda name=name: woken.append(name) for name in "abc"}
    assert [budget.grant(wakes[name]) for name in "abc"] == [10, 10, 0]
    assert budget.request_seconds == SHORT
    assert woken == []
    budget.give_back(10)
    assert woken == ["c"]
    assert budget.grant(wakes["c"]) == 10


@given(st.integers(1, 50), st.integers(1, 100), st.lists(st.integers(0, 8), max_size=60))
def test_never_more_is_granted_than_there_is(least: int, total: int, steps: list[int]) -> None:
    """In any order of requests and their ends, what is granted together stays within the budget."""
    budget = Budget(total, least)
    budget.readers = 9
    granted: dict[int, int] = {}
    for reader in steps:
        if granted.get(reader):
            budget.give_back(granted.pop(reader))
        else:
            granted[reader] = budget.grant(lambda: None)
        assert sum(granted.values()) == budget.granted <= max(total, least)
