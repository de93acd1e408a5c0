"""Ids for values: the same for the same, bounded, given up and used again."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from model.dictionary import Dictionary


def test_a_value_keeps_its_id() -> None:
    """Nothing has 0; what was met before is found again, one by one and many at once."""
    paths = Dictionary("")
    assert (paths.id(""), paths.id("/a"), paths.id("/b"), paths.id("/a")) == (0, 1, 2, 1)
    assert paths.ids(["/b", "/c", "", "/b"]).tolist() == [2, 3, 0, 2]
    assert paths.values == ["", "/a", "/b", "/c"]
    assert "/c" in paths
    assert "/d" not in paths


def test_ids_are_bounded_and_used_again() -> None:
    """At the limit a new value has no id, counted; what is released makes room."""
    paths = Dictionary("", limit=16)
    given = [paths.id(f"path-{place}") for place in range(20)]
    assert given == [*range(1, 16), 0, 0, 0, 0, 0]
    assert (paths.refused, paths.full) == (5, True)
    gone = paths.release(np.array([3, 4]))
    assert sorted(gone) == [1, 2, *range(5, 16)]
    assert not paths.full
    assert paths.id("path-2") == 3
    assert paths.id("new") in gone


def test_it_is_full_before_it_refuses() -> None:
    """An eighth is left by default, or what was asked for."""
    few = Dictionary("", limit=16)
    some = Dictionary("", limit=16, reserve=10)
    sizes = []
    for known in (few, some):
        while not known.full:
            known.id(f"value {len(known)}")
        sizes.append(len(known))
    assert sizes == [14, 6]


def test_without_anything_in_use_all_is_given_up() -> None:
    """But for nothing's own id."""
    paths = Dictionary("")
    paths.ids(["/a", "/b"])
    assert sorted(paths.release()) == [1, 2]
    assert ("/a" in paths, "" in paths) == (False, True)


@given(st.lists(st.lists(st.integers(0, 30), max_size=40), min_size=1, max_size=3))
def test_used_columns_point_to_the_same_values(columns: list[list[int]]) -> None:
    """Renumbered without gaps, 0 first, in the order of the ids; nothing else is left."""
    known = Dictionary(0)
    arrays = [known.ids(column) for column in columns]
    renumbered, used = known.used(*arrays)
    values = [known.values[id_] for id_ in used]
    assert [[values[number] for number in column] for column in renumbered] == columns
    assert set(values) == {0}.union(*columns)
    assert used == sorted(used)
