"""Each id is new once, however many there are."""

import numpy as np

from store.segments.once import Once


def test_an_id_is_new_once() -> None:
    """As a set of them says, also of those whose lowest bits are the same."""
    random, once, known = np.random.default_rng(1), Once(), set[int]()
    for size in (1, 7, 0, 500, 3000, 3000, 20_000):
        ids = random.integers(1, 12_000, size) << random.choice([0, 20], size)
        found = ids[once.new(ids)].tolist()
        assert sorted(found) == sorted(set(ids.tolist()) - known)
        known |= set(found)
