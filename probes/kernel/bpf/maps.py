"""Maps: creating them, and their elements."""

import contextlib
import ctypes
import os
import struct
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from probes.kernel.bpf import syscall
from probes.kernel.bpf.syscall import Command, attributes, short_name
from probes.kernel.image import MapShape
from probes.kernel.map_types import KEY_TYPE, TYPED_MAPS, VALUE_TYPE, map_types

#: Elements of a hash table that are read at once.
_BATCH = 4096


def create_map(name: str, shape: MapShape) -> int:
    """A descriptor of a new map.

    :raises OSError: as bpf(2) says.
    """
    fields = (shape.type, shape.key_bytes, shape.value_bytes, shape.entries, shape.flags, 0, 0)
    if shape.type not in TYPED_MAPS:
        return syscall.call(Command.MAP_CREATE, attributes("7I16s", *fields, short_name(name)))
    types = _load_types(map_types(shape.value_bytes))
    try:
        numbers = (0, types, KEY_TYPE, VALUE_TYPE)
        return syscall.call(
            Command.MAP_CREATE,
            attributes("7I16s4I", *fields, short_name(name), *numbers),
        )
    finally:
        os.close(types)


def _load_types(types: bytes) -> int:
    """A descriptor of BTF."""
    held = ctypes.create_string_buffer(types, len(types))
    return syscall.call(Command.BTF_LOAD, attributes("QQI", ctypes.addressof(held), 0, len(types)))


def map_update(fd: int, key: bytes | None, value: bytes) -> None:
    """Sets one element; ``key`` is None for stacks and queues, which push.

    :raises OSError: as bpf(2) says.
    """
    held_key = ctypes.create_string_buffer(key, len(key)) if key is not None else None
    held = ctypes.create_string_buffer(value, len(value))
    key_address = ctypes.addressof(held_key) if held_key is not None else 0
    syscall.call(
        Command.MAP_UPDATE_ELEM,
        attributes("IIQQQ", fd, 0, key_address, ctypes.addressof(held), 0),
    )


def map_lookup(fd: int, key: bytes, size: int) -> bytes:
    """One element, of ``size`` bytes.

    :raises FileNotFoundError: if there is none.
    :raises OSError: as bpf(2) says.
    """
    held, value = ctypes.create_string_buffer(key, len(key)), ctypes.create_string_buffer(size)
    attr = attributes("IIQQQ", fd, 0, ctypes.addressof(held), ctypes.addressof(value), 0)
    syscall.call(Command.MAP_LOOKUP_ELEM, attr)
    return value.raw


def map_delete(fd: int, key: bytes) -> None:
    """Deletes one element.

    :raises FileNotFoundError: if there is none.
    :raises OSError: as bpf(2) says.
    """
    held = ctypes.create_string_buffer(key, len(key))
    syscall.call(Command.MAP_DELETE_ELEM, attributes("IIQQQ", fd, 0, ctypes.addressof(held), 0, 0))


def map_items(
    fd: int, key: np.dtype[np.void], value: np.dtype[np.void]
) -> tuple[npt.NDArray[np.void], npt.NDArray[np.void]]:
    """Keys and values of a hash table, as far as they stay while it is read (Linux 5.6); shape (n,) each.

    :raises OSError: as bpf(2) says.
    """
    position = ctypes.create_string_buffer(8)
    parts = [(np.zeros(0, key), np.zeros(0, value))]
    begun = more = False
    while more or not begun:
        keys, values = np.zeros(_BATCH, key), np.zeros(_BATCH, value)
        place = ctypes.addressof(position)
        addresses = (place if begun else 0, place, keys.ctypes.data, values.ctypes.data)
        attr = attributes("4Q2I2Q", *addresses, _BATCH, fd, 0, 0)
        begun, more = True, True
        try:
            syscall.call(Command.MAP_LOOKUP_BATCH, attr)
        except FileNotFoundError:  # this was the last part
            more = False
        (count,) = struct.unpack_from("I", attr, 32)
        parts.append((keys[:count], values[:count]))
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


def push_all(fd: int, values: Sequence[int]) -> None:
    """Pushes 32-bit values on a stack or queue, the first one first."""
    value = ctypes.c_uint32()
    attr = attributes("IIQQQ", fd, 0, 0, ctypes.addressof(value), 0)
    for value.value in values:
        syscall.call(Command.MAP_UPDATE_ELEM, attr)


def pop_all(fd: int, most: int) -> list[int]:
    """Takes 32-bit values off a stack or queue, in its order, until it is empty.

    :param most: after so many it is left.
    :raises OSError: as bpf(2) says.
    """
    value = ctypes.c_uint32()
    values: list[int] = []
    attr = attributes("IIQQQ", fd, 0, 0, ctypes.addressof(value), 0)
    with contextlib.suppress(FileNotFoundError):
        while len(values) < most:
            syscall.call(Command.MAP_LOOKUP_AND_DELETE_ELEM, attr)
            values.append(value.value)
    return values


def array_lookup(fd: int, index: int) -> int:
    """One element of an array, of at most 64 bits.

    :raises OSError: ENOENT behind its end.
    """
    key, value = ctypes.c_uint32(index), ctypes.c_uint64()
    syscall.call(
        Command.MAP_LOOKUP_ELEM,
        attributes("IIQQQ", fd, 0, ctypes.addressof(key), ctypes.addressof(value), 0),
    )
    return value.value


def percpu_lookup(fd: int, keys: int) -> npt.NDArray[np.uint64]:
    """64-bit elements 0..keys of a per-processor array, summed over processors; shape (keys,)."""
    cells = np.zeros((keys, possible_cpus()), np.uint64)
    key = ctypes.c_uint32()
    for index in range(keys):
        key.value = index
        place = cells.ctypes.data + index * cells.strides[0]
        syscall.call(
            Command.MAP_LOOKUP_ELEM,
            attributes("IIQQQ", fd, 0, ctypes.addressof(key), place, 0),
        )
    sums: npt.NDArray[np.uint64] = cells.sum(axis=1)
    return sums


@cache
def possible_cpus() -> int:
    """Processors the kernel may ever have: per-processor values come in this many; fixed from boot on."""
    ranges = Path("/sys/devices/system/cpu/possible").read_text().strip().split(",")
    return max(int(part.split("-")[-1]) for part in ranges) + 1
