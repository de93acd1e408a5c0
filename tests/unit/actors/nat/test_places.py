"""Places of entries: each is somebody's, free, or of what ended and may be taken."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from actors.nat.places import NatPlaces


@given(st.lists(st.tuples(st.sampled_from(["take", "end", "make_room"]), st.integers(1, 9)), max_size=40))
def test_nobody_shares_a_place_and_the_first_that_ended_goes_first(script: list[tuple[str, int]]) -> None:
    """Beside a model of lists: places are handed out once, and come back in the order in which they ended."""
    places, held, ended = NatPlaces(12), list[int](), list[int]()
    for what, count in script:
        if what == "take":
            taken = places.take(count).tolist()
            assert len(taken) == min(count, 12 - len(held))
            assert not set(taken) & set(held)
            held += taken
        elif what == "end" and held:
            going = [held[number % len(held)] for number in range(count)]
            places.end(np.array(going, np.int32))
            last_first = dict.fromkeys(reversed(going))
            ended += [place for place in reversed(last_first) if place not in ended]
        elif what == "make_room":
            first = places.first_ended(count)
            assert sorted(first.tolist()) == sorted(ended[:count])
            del ended[:count]
            places.give_back(first)
            held = [place for place in held if place not in first.tolist()]
        assert len(places) == len(held)
