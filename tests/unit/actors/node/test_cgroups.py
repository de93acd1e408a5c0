"""Cgroup names: paths from one event per level, under numbers that are given back."""

import numpy as np

from actors.node.cgroups import LEVELS, Cgroups
from probes.kernel.layout import structs


def names(*chain: tuple[int, int, bytes]) -> np.ndarray:
    events = np.zeros(len(chain), structs("kernel")["cgroup_event"])
    for event, (number, parent, name) in zip(events, chain, strict=True):
        event["id"], event["parent"], event["name"] = number, parent, name
    return events


def owners(*ids: int) -> np.ndarray:
    rows = np.zeros(len(ids), structs("kernel")["owner"])
    rows["cgroup_id"] = ids
    return rows


def test_a_path_is_built_from_its_levels() -> None:
    """The container's id stands at the end of the path, whatever the order in which names came."""
    cgroups = Cgroups()
    cgroups.learn(names((3, 2, b"docker-abc.scope"), (2, 1, b"system.slice"), (1, 0, b"/")))
    numbers = cgroups.ids(owners(3, 2, 3))
    index, paths = cgroups.table(numbers)
    assert [paths[number] for number in index] == [
        "/system.slice/docker-abc.scope",
        "/system.slice",
        "/system.slice/docker-abc.scope",
    ]


def test_what_is_cut_says_so() -> None:
    """Upper levels that are not known, and the beginning of a name that is too long; a name that comes heals it."""
    cgroups = Cgroups()
    events = names((3, 2, b"name-docker-abc.scope"), (4, 3, b"init"))
    events["cut"][0] = 1
    cgroups.learn(events)
    numbers = cgroups.ids(owners(4))
    assert cgroups.table(numbers)[1] == ["", "/…/…name-docker-abc.scope/init"]
    cgroups.learn(names((2, 1, b"system.slice"), (1, 0, b"/")))
    assert cgroups.table(numbers)[1] == ["", "/system.slice/…name-docker-abc.scope/init"]


def test_a_path_of_too_many_levels_is_cut_at_the_top() -> None:
    """The innermost ones stay: who is in them is what a reader wants to know."""
    cgroups = Cgroups()
    cgroups.learn(names(*((number, number - 1, b"l%d" % number) for number in range(1, LEVELS + 2))))
    levels = [f"l{number}" for number in range(2, LEVELS + 2)]
    assert cgroups.path((LEVELS + 1, 0)) == f"/…/{'/'.join(levels)}"


def test_many_cgroups_at_once_have_a_number_each() -> None:
    """Also where there are more of them than are looked for one by one."""
    ids = [number % 10 + 1 for number in range(100)]
    cgroups = Cgroups()
    cgroups.learn(names(*((number, 0, b"c%d" % number) for number in range(1, 11))))
    index, paths = cgroups.table(cgroups.ids(owners(*ids)))
    assert [paths[number] for number in index] == [f"/c{number}" for number in ids]
    assert len(cgroups.ids(owners())) == 0


def test_a_name_that_comes_late_heals_the_path() -> None:
    """A cgroup whose name was lost gets it when it is sent again."""
    cgroups = Cgroups()
    numbers = cgroups.ids(owners(9))
    assert cgroups.table(numbers)[1] == ["", ""]
    cgroups.learn(names((9, 0, b"late")))
    assert cgroups.table(numbers)[1] == ["", "/late"]


def test_hierarchies_are_kept_apart() -> None:
    """The same id in two hierarchies is two cgroups."""
    cgroups = Cgroups()
    events = names((5, 0, b"one"), (5, 0, b"two"))
    events["hierarchy"] = [1, 2]
    cgroups.learn(events)
    rows = owners(5, 5)
    rows["cgroup_hierarchy"] = [1, 2]
    assert cgroups.table(cgroups.ids(rows))[1] == ["", "/one", "/two"]


def test_numbers_run_out_and_are_given_back() -> None:
    """At the limit a new cgroup has no path, counted, until those no longer used are released."""
    cgroups = Cgroups(limit=3)
    cgroups.learn(names((1, 0, b"a"), (2, 0, b"b"), (3, 0, b"c")))
    kept = cgroups.ids(owners(1))
    cgroups.ids(owners(2))
    assert cgroups.known.full
    assert cgroups.ids(owners(3)).tolist() == [0]
    assert cgroups.known.refused == 1
    cgroups.release(kept)
    assert cgroups.table(np.concatenate((kept, cgroups.ids(owners(3)))))[1] == ["", "/a", "/c"]


def test_a_loop_of_parents_ends() -> None:
    """Broken input cannot hang the actor."""
    cgroups = Cgroups()
    cgroups.learn(names((1, 2, b"a"), (2, 1, b"b")))
    assert cgroups.path((1, 0)).startswith("/")
