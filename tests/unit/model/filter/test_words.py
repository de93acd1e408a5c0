"""The grammar of filters, and numbers and times in them."""

import pytest

from model.filter.quantities import count, duration_ns, moment
from model.filter.words import FilterError, words_of

#: 2023-11-14T22:13:20Z.
NOW = 1_700_000_000.0


def test_words_are_key_operator_and_values() -> None:
    """Dashes and exclamation marks exclude, commas divide values, quotes hold blanks and commas."""
    text = 'port:80,443 -process:"my app,x" !ns:shop rtt>20ms bytes>=1MB failed<=0 node=a'
    found = [(word.excluded, word.key, word.operator, word.values) for word in words_of(text)]
    assert found == [
        (False, "port", ":", ("80", "443")),
        (True, "process", ":", ("my app,x",)),
        (True, "ns", ":", ("shop",)),
        (False, "rtt", ">", ("20ms",)),
        (False, "bytes", ">=", ("1MB",)),
        (False, "failed", "<=", ("0",)),
        (False, "node", ":", ("a",)),
    ]


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("port:80 nginx", "port:80 »nginx«"),
        ("port: ns:shop", "»port:« ns:shop"),
        ("port:80,,90", "»port:80,,90«"),
        ('ns:a pod:"cart', 'ns:a »pod:"cart«'),
        ("rtt>1ms,2ms", "»rtt>1ms,2ms«"),
        (":80", "»:80«"),
    ],
)
def test_an_error_points_at_its_word(text: str, marked: str) -> None:
    """And says what to write."""
    with pytest.raises(FilterError) as caught:
        list(words_of(text))
    assert f" at {marked}: write " in str(caught.value)


@pytest.mark.parametrize(
    ("text", "number"),
    [("0", 0), ("10", 10), ("1.5k", 1500), ("20MB", 20_000_000), ("4KiB", 4096), ("2K", 2000), ("0.5", 0.5)],
)
def test_numbers_may_have_units(text: str, number: float) -> None:
    """Of thousands, or of 1,024."""
    assert count(text) == number


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("0", 0),
        ("20ms", 20_000_000),
        ("1.5s", 1_500_000_000),
        ("3us", 3000),
        ("3µs", 3000),
        ("2m", 120 * 10**9),
    ],
)
def test_durations_have_units(text: str, nanoseconds: int) -> None:
    """0 alone needs none."""
    assert duration_ns(text) == nanoseconds


@pytest.mark.parametrize("text", ["20", "ms", "1x", "-1s", ""])
def test_what_is_no_duration_is_refused(text: str) -> None:
    """With examples."""
    with pytest.raises(ValueError, match="write 20ms"):
        duration_ns(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("now", NOW),
        ("10m", NOW - 600),
        ("2d", NOW - 2 * 86400),
        ("22:13", NOW - 20),
        ("2:00:01", 1_699_920_000 + 7201),
        ("2023-11-14T22:13:20Z", NOW),
        ("2023-11-14T22:13:20", NOW),
        ("2023-11-14T23:13:20+01:00", NOW),
        ("2023-11-14", 1_699_920_000),
        ("1700000000", NOW),
    ],
)
def test_times_are_before_now_or_of_the_clock(text: str, seconds: float) -> None:
    """Without a zone they are of UTC."""
    assert moment(text, NOW) == seconds


@pytest.mark.parametrize("text", ["yesterday", "10", "25:99", "2023-13-01"])
def test_what_is_no_time_is_refused(text: str) -> None:
    """With examples."""
    with pytest.raises(ValueError, match="write 10m, 14:05"):
        moment(text, NOW)
