"""Types of keys and values, in the kernel's own form (BTF), for maps that are not made without: storage of sockets.

Source: Documentation/bpf/btf.rst.
"""

import struct
from typing import Final

#: Kinds of maps that want them (kernel: include/uapi/linux/bpf.h, enum bpf_map_type): SK_STORAGE.
TYPED_MAPS: Final = frozenset({24})
#: The numbers of the types below.
KEY_TYPE, VALUE_TYPE = 1, 3
_MAGIC, _VERSION, _HEADER_BYTES = 0xEB9F, 1, 24
_INT, _ARRAY = 1 << 24, 3 << 24


def map_types(value_bytes: int) -> bytes:
    """BTF with a 32-bit number and an array of bytes."""
    number = struct.pack("=4I", 1, _INT, 4, 32)
    byte = struct.pack("=4I", 1, _INT, 1, 8)
    array = struct.pack("=6I", 0, _ARRAY, 0, 2, 1, value_bytes)
    types, names = number + byte + array, b"\0n\0"
    header = struct.pack("=HBB5I", _MAGIC, _VERSION, 0, _HEADER_BYTES, 0, len(types), len(types), len(names))
    return header + types + names
