"""Words about time."""

import pytest

from benchmarks.fleet import boutique, second
from model.errors import UsageError
from store.queries.errors import NotFoundError
from store.queries.questions import QUESTIONS, parameters_of
from store.queries.when import When, resolved
from store.reading import Gap, Window
from tests.unit.store.queries.fleets import BEGIN, NOW
from tests.unit.store.queries.rows_store import RowsStore


@pytest.fixture(scope="module")
def store() -> RowsStore:
    """Ten minutes with a row a minute."""
    return RowsStore([second(boutique(), BEGIN + at, at) for at in range(0, 600, 60)])


END = BEGIN + 541


def when(store: RowsStore, **said: str) -> When:
    words = {name.rstrip("_"): [value] for name, value in said.items()}
    return resolved(parameters_of(QUESTIONS["map"], words), store, NOW)


def test_without_words_it_is_the_last_five_minutes_that_are_complete(store: RowsStore) -> None:
    assert when(store) == When(Window(END - 300, END), None, True, False, BEGIN)


def test_windows_are_said_by_their_ends_or_their_end_and_length(store: RowsStore) -> None:
    assert when(store, at=str(BEGIN + 100), window="30s").window == Window(BEGIN + 70, BEGIN + 100)
    assert when(store, from_="2026-11-30T00:14:00Z", to="2026-11-30T00:15").window.seconds == 60
    assert when(store, from_="1m", to="now").window == Window(int(NOW) - 60, int(NOW))


@pytest.mark.parametrize(
    ("against", "said"),
    [
        (BEGIN - 60, "the store begins at 2026-11-30T00:54:00Z"),
        (END + 900, "the store ends at 2026-11-30T01:03:01Z"),
        (BEGIN + 300, "was not running"),
    ],
)
def test_what_is_not_known_is_compared_with_nothing(against: int, said: str) -> None:
    rows = [second(boutique(), BEGIN + at, at) for at in range(0, 600, 60)]
    store = RowsStore(rows, gaps=[Gap("", BEGIN + 200, BEGIN + 300, "not_stored")])
    with pytest.raises(NotFoundError, match="nothing is kept") as raised:
        when(store, at=str(END), window="60s", against=str(against))
    assert said in raised.value.remedy
    assert when(store, at=str(END), window="60s", against=str(BEGIN + 310)).against


@pytest.mark.parametrize(
    ("against", "begin", "length"),
    [("-1m", BEGIN + 40, 60), (str(BEGIN + 50), BEGIN - 10, 60), (f"{BEGIN}/{BEGIN + 7}", BEGIN, 7)],
)
def test_it_is_compared_with_a_window_before(store: RowsStore, against: str, begin: int, length: int) -> None:
    found = when(store, at=str(BEGIN + 160), window="1m", against=against)
    assert found.against == Window(begin, begin + length)


@pytest.mark.parametrize(
    "said",
    [
        {"at": "yesterday"},
        {"window": "5"},
        {"from_": str(BEGIN + 9), "to": str(BEGIN + 9)},
        {"at": "now", "to": "now"},
        {"window": "401d"},
        {"against": "-x"},
    ],
)
def test_what_is_no_time_is_refused(store: RowsStore, said: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        when(store, **said)


def test_nothing_is_compared_with_a_time_of_which_nothing_is_kept(store: RowsStore) -> None:
    with pytest.raises(NotFoundError, match="nothing is kept"):
        when(store, against="-1d")


def test_an_answer_stays_as_it_is_for_whole_minutes_that_were_said_in_full(store: RowsStore) -> None:
    minutes = {"from_": str(BEGIN), "to": str(BEGIN + 120)}
    assert when(store, **minutes).settled
    assert when(store, **minutes, against="-1m").settled
    assert not when(store, from_=str(BEGIN), to=str(BEGIN + 121)).settled
    assert not when(store, from_=str(BEGIN), to="now").settled
    assert not when(store, from_=str(BEGIN), to=str(BEGIN + 480)).settled  # late seconds may come
