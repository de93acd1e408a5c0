"""How much kernel memory the maps take, computed from their definitions in ``bpf/maps.h``."""

import re
from functools import cache
from math import prod
from pathlib import Path

import numpy as np

from probes.kernel import bpf, layout
from probes.kernel.program import read_source

#: Of one element beside key and value, which are rounded up to 8 bytes (kernel: ``struct htab_elem``), and of
#: one hash bucket (``struct bucket``).
_ELEMENT_BYTES = 48
_BUCKET_BYTES = 16
_PAGE = 4096
_SCALARS = {"u8": 1, "u16": 2, "u32": 4, "u64": 8}

_DEFINE = re.compile(r"#define (\w+) (\d+)$", re.MULTILINE)
_HASH = re.compile(r"^BPF_HASH\((\w+), ([\w ]+), ([\w ]+), ([\w *]+)\);", re.MULTILINE)
_TABLE = re.compile(
    r'^BPF_(?:F_)?TABLE\("(\w+)", ([\w ]+), ([\w ]+), (\w+), ([\w *]+)(?:, \w+)?\);', re.MULTILINE
)
_ARRAY = re.compile(r"^BPF_ARRAY\((\w+), ([\w ]+), ([\w *]+)\);", re.MULTILINE)
_STACK = re.compile(r"^BPF_STACK\((\w+), ([\w ]+), ([\w *]+)\);", re.MULTILINE)


def map_bytes(slots: int, ring_bytes: int) -> dict[str, int]:
    """Bytes of each map by name, as the kernel reports them from 6.4 on (bpf_map_ops.map_mem_usage).

    Left out are the descriptors of the maps themselves and per-processor maps: a few kilobytes in all.
    """
    text = read_source("maps.h")
    sizes = {"SLOTS": slots, **{name: int(value) for name, value in _DEFINE.findall(text)}}
    sizes |= {name: value for enum in layout.enums().values() for name, value in enum.items()}
    found = {
        name: _hash(_size(key), _size(value), _count(n, sizes)) for name, key, value, n in _HASH.findall(text)
    }
    for kind, key, value, name, n in _TABLE.findall(text):
        count = _count(n, sizes)
        found[name] = (
            _array(_size(value), count) if kind == "array" else _hash(_size(key), _size(value), count, 0)
        )
    found |= {name: _array(_size(value), _count(n, sizes)) for name, value, n in _ARRAY.findall(text)}
    found |= {name: _size(value) * (_count(n, sizes) + 1) for name, value, n in _STACK.findall(text)}
    return found | {"ring": ring_bytes + 3 * _PAGE}


def _count(expression: str, sizes: dict[str, int]) -> int:
    """``2 * SLOTS``."""
    factors = (word.strip() for word in expression.split("*"))
    return prod(int(word) if word.isdigit() else sizes[word] for word in factors)


def _size(ctype: str) -> int:
    return _SCALARS[ctype] if ctype in _SCALARS else _structs()[ctype.removeprefix("struct ")].itemsize


@cache
def _structs() -> dict[str, np.dtype[np.void]]:
    """Structs of events.h, and those of maps.h, which spells the scalars without underscores."""
    text = re.sub(r"\b(u(?:8|16|32|64))\b", r"__\1", read_source("maps.h"))
    return {**layout.structs(), **layout.parse_structs(text)}


def _hash(key: int, value: int, count: int, spare: int | None = None) -> int:
    """A preallocated hash table (kernel: htab_map_mem_usage); a spare element per processor unless LRU."""
    elements = count + (bpf.possible_cpus() if spare is None else spare)
    buckets = 1 << (count - 1).bit_length()
    return elements * (_ELEMENT_BYTES + _padded(key) + _padded(value)) + buckets * _BUCKET_BYTES


def _array(value: int, count: int) -> int:
    return _padded(value) * count


def _padded(size: int) -> int:
    return -(-size // 8) * 8


def available_bytes() -> int:
    """What this process may take: what the machine has left, or the limit of a cgroup that it lives in."""
    return min([_machine_bytes(), *_cgroup_limits()])


def _machine_bytes() -> int:
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable:"))


def _cgroup_limits() -> list[int]:
    """Memory limits (cgroup v2 and v1) of this process's own cgroup and of those above it.

    Maps are charged to the cgroup of the process that makes them (kernel: since 5.11).
    """
    limits = []
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers not in {"", "memory"}:
            continue
        root = Path("/sys/fs/cgroup", controllers)
        name = "memory.limit_in_bytes" if controllers else "memory.max"
        folder = root / path.lstrip("/")
        limits += [_limit(at / name) for at in (folder, *folder.parents) if at.is_relative_to(root)]
    return [limit for limit in limits if limit is not None]


def _limit(file: Path) -> int | None:
    """None where there is none: at the root, or ``max``."""
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return None
