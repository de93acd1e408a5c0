"""The index answers as a dictionary of lists does."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from actors.nat.tuple_index import NOWHERE, TupleIndex, make_keys
from model.addresses import address_bytes
from model.chains import HOP

CAPACITY = 24


def keys_of(numbers: list[int]) -> np.ndarray:
    """Keys that differ in their source port only."""
    hops = np.zeros(len(numbers), HOP)
    hops["source_port"] = numbers
    hops["destination_address"] = np.void(address_bytes("10.0.0.1"))
    return make_keys(hops, 6, np.zeros(len(numbers), np.uint32))


operations = st.lists(
    st.tuples(st.sampled_from(["add", "remove"]), st.lists(st.integers(0, 5), min_size=1, max_size=6)),
    max_size=30,
)


@given(operations)
def test_it_answers_like_a_dictionary_of_lists(steps: list[tuple[str, list[int]]]) -> None:
    """Whatever is added and removed, in whatever batches: the newest place of each key, then the older ones."""
    index, model = TupleIndex(CAPACITY), {number: list[int]() for number in range(6)}
    free = list(range(CAPACITY))
    for step, numbers in steps:
        if step == "add" and len(free) >= len(numbers):
            taken = [free.pop() for _ in numbers]
            index.add(np.array(taken, np.int32), keys_of(numbers))
            for place, number in zip(taken, numbers, strict=True):
                model[number].append(place)
        elif step == "remove":
            gone = [model[number].pop(len(model[number]) // 2) for number in set(numbers) if model[number]]
            index.remove(np.array(gone, np.int32))
            free += gone
    places = index.newest(keys_of(list(model)))
    for depth in range(CAPACITY):
        wanted = [held[-1 - depth] if depth < len(held) else NOWHERE for held in model.values()]
        assert places.tolist() == wanted
        more = places != NOWHERE
        places[more] = index.older(places[more])


def test_a_loopback_tuple_holds_in_its_namespace_only() -> None:
    """127.0.0.1 means another machine in each network namespace, 10.0.0.1 does not."""
    hops = np.zeros(4, HOP)
    addresses = ("127.0.0.1", "127.0.0.1", "::1", "10.0.0.1")
    hops["destination_address"] = [np.void(address_bytes(text)) for text in addresses]
    netns = np.array([7, 8, 7, 7], np.uint32)
    keys = make_keys(hops, 6, netns, 5)
    assert keys["netns"].tolist() == [7, 8, 7, 0]
    assert keys["node"].tolist() == [5, 5, 5, 0]
