"""Messages from the bus may be anything: every one gives a batch that is whole, or BadBatch, and nothing else."""

import random

import msgpack
import numpy as np

from model.kinds.delta import DELTA
from model.message import BadBatch, decode
from tailrace.testing.deltas import make_deltas

CASES = 200_000
#: What a hostile sender puts in place of a value.
HOSTILE: tuple[object, ...] = (
    None,
    True,
    -1,
    2**63,
    1.5,
    "x" * 40,
    b"",
    b"\xff" * 64,
    [],
    {},
    [[[]]],
    {"a": {}},
)


def taken(data: bytes) -> bool:
    """Whether ``data`` is taken for a batch; if so, it must be one."""
    try:
        batch = decode(data)
    except BadBatch:
        return False
    assert {len(column) for column in batch.columns.values()} == {len(batch)}
    assert set(batch.columns) == set(DELTA.types)
    assert isinstance(batch.node, str)
    assert isinstance(batch.window, int)
    assert all(isinstance(path, str) for path in batch.tables["cgroups"])
    assert int(batch.columns["cgroup.index"].max(initial=0)) < max(1, len(batch.tables["cgroups"]))
    return True


def mutate(rng: random.Random, whole: bytes) -> bytes:
    """One of: bytes changed, cut, doubled, put in, or a piece of it moved."""
    data = bytearray(whole)
    for _ in range(rng.randint(1, 4)):
        place = rng.randrange(len(data) + 1)
        match rng.randrange(4):
            case 0 if place < len(data):
                data[place] = rng.randrange(256)
            case 1:
                del data[place : place + rng.randint(1, 200)]
            case 2:
                data[place:place] = rng.randbytes(rng.randint(1, 8))
            case _:
                data[place:place] = data[place // 2 : place // 2 + 9]
    return bytes(data)


def test_mutated_messages_are_refused_or_whole() -> None:
    """Changed bytes anywhere, also in the lengths that msgpack itself carries."""
    rng = random.Random(1)
    whole = make_deltas(1, seed=1).encode()
    refused = sum(not taken(mutate(rng, whole)) for _ in range(CASES))
    assert CASES // 4 < refused < CASES


def test_values_of_the_wrong_type_are_refused() -> None:
    """Each field in turn holds what it never should; a message without its head is refused too."""
    message = msgpack.unpackb(make_deltas(2, seed=2).encode())
    for name in message:
        optional = name in ("kind", "via", *DELTA.tables, *DELTA.head)
        assert optional or not taken(
            msgpack.packb({key: value for key, value in message.items() if key != name})
        )
        for hostile in HOSTILE:
            taken(msgpack.packb(message | {name: hostile}))
    for name in DELTA.types:
        for hostile in HOSTILE:
            columns = message["columns"] | {name: hostile}
            zeros = hostile == b""  # that is how they are written
            assert taken(msgpack.packb(message | {"columns": columns})) == zeros, (name, hostile)


def test_a_row_count_that_lies_is_refused() -> None:
    """The count is that of every column, or there is no batch."""
    message = msgpack.unpackb(make_deltas(3, seed=3).encode())
    assert not any(taken(msgpack.packb(message | {"n": rows})) for rows in (0, 2, 4, 2**40, -3, "3"))


def test_a_cgroup_number_without_a_path_is_refused() -> None:
    """An index beyond its table would be a crash further on."""
    batch = make_deltas(2, seed=4)
    batch.columns["cgroup.index"] = np.array([0, 999], np.uint32)
    assert not taken(batch.encode())


def test_deep_nesting_is_refused() -> None:
    """A thousand lists in each other neither recurse nor hang."""
    assert not taken(b"\x91" * 100_000)
