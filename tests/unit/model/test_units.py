"""Numbers as people read them."""

import pytest

from model.text.units import bytes_text, duration_text, rate_text, short_number


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (999, "999"),
        (1000, "1.0k"),
        (9949, "9.9k"),
        (9951, "10k"),
        (999_499, "999k"),
        (999_501, "1.0M"),
        (2**64 - 1, "18E"),
    ],
)
def test_numbers_have_two_or_three_digits(value: int, text: str) -> None:
    """A number takes at most four characters and never rounds to a thousand of its prefix."""
    assert short_number(value) == text


def test_bytes_and_rates_carry_their_unit() -> None:
    """Bytes are decimal, and a rate is per second."""
    assert (bytes_text(0), bytes_text(1234), rate_text(45_600_000)) == ("0 B", "1.2 kB", "46 MB/s")


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "0ns"),
        (999, "999ns"),
        (85_400, "85us"),
        (999_600, "1.0ms"),
        (1_240_000, "1.2ms"),
        (12 * 10**9, "12s"),
        (90 * 10**9, "1.5m"),
        (48 * 3600 * 10**9, "48h"),
    ],
)
def test_durations_use_the_unit_that_fits(ns: int, text: str) -> None:
    """Nanoseconds become the largest unit in which they are at least one."""
    assert duration_text(ns) == text
