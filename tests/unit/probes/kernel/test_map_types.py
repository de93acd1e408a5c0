"""Types of keys and values, as bytes of the kernel's form."""

import struct

import pytest

from probes.kernel.map_types import KEY_TYPE, VALUE_TYPE, map_types


@pytest.mark.parametrize("size", [1, 72, 4096])
def test_types_are_a_number_and_as_many_bytes_as_a_value_has(size: int) -> None:
    """The header says where types and names are; the third type is an array of the second, counted by the first."""
    types = map_types(size)
    magic, version, flags, header, types_at, types_bytes, names_at, names_bytes = struct.unpack_from(
        "=HBB5I", types
    )
    assert (magic, version, flags, header, types_at) == (0xEB9F, 1, 0, 24, 0)
    assert names_at == types_bytes
    assert len(types) == header + types_bytes + names_bytes
    assert types.endswith(b"\0")
    number, byte = struct.unpack_from("=4I", types, 24), struct.unpack_from("=4I", types, 40)
    assert (number[2:], byte[2:]) == ((4, 32), (1, 8))
    array = struct.unpack_from("=6I", types, 56)
    assert array[3:] == (2, KEY_TYPE, size)
    assert VALUE_TYPE == 3
