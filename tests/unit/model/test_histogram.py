"""Exponential histograms: buckets, merging, quantiles."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.histogram import BASE, SCALE, Histogram, Histograms, bucket_of, merged

VALUES = st.lists(st.integers(1, (1 << 53) - 1), max_size=200)


def histogram_of(values: list[int]) -> Histogram:
    """By way of the table, in which it is the second of three."""
    table = Histograms.of(np.full(len(values), 2), np.array(values, np.uint64), 4)
    assert len(table) == 4
    assert [table[number].count for number in (0, 1, 3)] == [0, 0, 0]
    return table[2]


@given(st.integers(1, (1 << 53) - 1))
def test_a_bucket_holds_what_lies_between_its_bounds(value: int) -> None:
    """Above the lower bound, up to the upper one; compared as whole numbers, without rounding."""
    bucket = int(bucket_of(np.array([value]))[0])
    power = Fraction(value) ** (1 << SCALE)
    assert Fraction(2) ** bucket < power <= Fraction(2) ** (bucket + 1)


@pytest.mark.parametrize(("value", "bucket"), [(1, -1), (2, 7), (3, 12), (4, 15), (1024, 79), (1025, 80)])
def test_a_power_of_two_ends_a_bucket(value: int, bucket: int) -> None:
    """As OpenTelemetry's mapping has it: the upper bound is in the bucket."""
    assert bucket_of(np.array([value])).tolist() == [bucket]


@given(VALUES, VALUES)
def test_merging_adds_the_values_of_both(some: list[int], others: list[int]) -> None:
    """The sum of two histograms is the histogram of all the values."""
    assert merged([histogram_of(some), histogram_of(others)]) == histogram_of(some + others)


@given(VALUES.filter(bool), st.floats(0, 1))
def test_a_quantile_is_off_by_half_a_bucket(values: list[int], share: float) -> None:
    """Against the value of that rank, by a factor of at most the root of the base."""
    exact = sorted(values)[max(1, math.ceil(share * len(values))) - 1]
    found = histogram_of(values).quantile(share)
    assert exact / BASE**0.5 * (1 - 1e-12) <= found <= exact * BASE**0.5 * (1 + 1e-12)


def test_nothing_has_no_quantile() -> None:
    """It is 0, and rows show no buckets."""
    assert Histogram().quantile(0.5) == 0
    assert Histogram().as_dict() == {"scale": SCALE, "buckets": [], "counts": []}


def test_zeros_are_no_values() -> None:
    """A round trip that nobody measured is in no bucket."""
    table = Histograms.of(np.array([1, 1, 2]), np.array([0, 5, 0], np.uint64), 3)
    assert table[1].as_dict() == {"scale": 3, "buckets": [18], "counts": [1]}
    assert table[2] == Histogram()


@given(st.lists(VALUES, max_size=6), st.sampled_from([0.0, 0.5, 0.99, 1.0]))
def test_quantiles_of_a_table_are_those_of_each(parts: list[list[int]], share: float) -> None:
    """Whole columns at a time, as one by one."""
    numbers = np.repeat(np.arange(1, len(parts) + 1), [len(part) for part in parts])
    values = np.array([value for part in parts for value in part], np.uint64)
    table = Histograms.of(numbers, values, len(parts) + 1)
    assert table.quantiles(share).tolist() == [table[number].quantile(share) for number in range(len(table))]
