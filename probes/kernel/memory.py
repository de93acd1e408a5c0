"""How much kernel memory the maps take, computed from their definitions in the probes' sources."""

import re
from collections.abc import Mapping
from math import prod
from pathlib import Path

from probes.kernel import layout
from probes.kernel.bpf.maps import possible_cpus

#: Of one element beside key and value, which are rounded up to 8 bytes (kernel: ``struct htab_elem``), and of
#: one hash bucket (``struct bucket``).
_ELEMENT_BYTES = 48
_BUCKET_BYTES = 16
_PAGE = 4096
_POINTER_BYTES = 8
_SCALARS = {"u8": 1, "u16": 2, "u32": 4, "u64": 8}

_DEFINE = re.compile(r"#define (\w+) (\d+)$", re.MULTILINE)
_HASH = re.compile(r"^BPF_HASH\((\w+), ([\w ]+), ([\w ]+), ([\w *]+)\);", re.MULTILINE)
_TABLE = re.compile(
    r'^BPF_(?:F_)?TABLE\("(\w+)", ([\w ]+), ([\w ]+), (\w+), ([\w *]+)(?:, (\w+))?\);', re.MULTILINE
)
_ARRAY = re.compile(r"^BPF_ARRAY\((\w+), ([\w ]+), ([\w *]+)\);", re.MULTILINE)
_PER_PROCESSOR = re.compile(r"^BPF_PERCPU_ARRAY\((\w+), ([\w ]+), ([\w *]+)\);", re.MULTILINE)
_RING = re.compile(r"^BPF_RINGBUF_OUTPUT\((\w+), \(?([\w *]+)\)? / PAGE_SIZE\);", re.MULTILINE)
_STACK = re.compile(r"^BPF_(?:STACK|QUEUE)\((\w+), ([\w ]+), ([\w *]+)\);", re.MULTILINE)


def map_bytes(text: str, defines: Mapping[str, int]) -> dict[str, int]:
    """Bytes of each map by name, as the kernel reports them from 6.4 on (bpf_map_ops.map_mem_usage).

    Left out are the descriptors of the maps themselves and arrays of programs: a few kilobytes in all. Of tables that
    take memory for an element when it comes (BPF_F_NO_PREALLOC), what they take when they are empty.

    :param text: the sources.
    :param defines: macros that the loader gives.
    """
    counts = {name: int(value) for name, value in _DEFINE.findall(text)} | dict(defines)
    counts |= {name: value for enum in layout.parse_enums(text).values() for name, value in enum.items()}
    sizes = _sizes(text, counts)
    found: dict[str, int] = {}
    for name, key, value, n in _HASH.findall(text):
        if not _given(n, counts):
            continue
        found[name] = _hash(sizes[key], sizes[value], _count(n, counts))
    for kind, key, value, name, n, flag in _TABLE.findall(text):
        if not _given(n, counts):
            continue
        count = _count(n, counts)
        if kind == "array":
            found[name] = _array(sizes[value], count)
        elif flag in ("BPF_F_NO_PREALLOC", "NO_PREALLOCATION"):
            found[name] = _buckets(count)
        else:
            found[name] = _hash(sizes[key], sizes[value], count, 0)
    found |= {name: _array(sizes[value], _count(n, counts)) for name, value, n in _ARRAY.findall(text)}
    for name, value, n in _PER_PROCESSOR.findall(text):
        if _given(n, counts):
            count = _count(n, counts)
            found[name] = count * (_POINTER_BYTES + possible_cpus() * _padded(sizes[value]))
    found |= {name: sizes[value] * (_count(n, counts) + 1) for name, value, n in _STACK.findall(text)}
    return found | {name: _ring(_count(size, counts)) for name, size in _RING.findall(text)}


def map_names(text: str) -> set[str]:
    """Those that some sources define, as ``map_bytes`` has them."""
    first = (_HASH, _ARRAY, _PER_PROCESSOR, _RING, _STACK)
    names = {found[0] for pattern in first for found in pattern.findall(text)}
    return names | {found[3] for found in _TABLE.findall(text)}


def _given(expression: str, sizes: Mapping[str, int]) -> bool:
    """Whether the size is known: that of a map of a probe that is off is not, nor is the map compiled."""
    return all(word.strip().isdigit() or word.strip() in sizes for word in expression.split("*"))


def _count(expression: str, sizes: Mapping[str, int]) -> int:
    """``2 * SLOTS``."""
    factors = (word.strip() for word in expression.split("*"))
    return prod(int(word) if word.isdigit() else sizes[word] for word in factors)


def _sizes(text: str, counts: Mapping[str, int]) -> dict[str, int]:
    """Bytes of scalars and structs by their C names; the sources spell scalars without underscores.

    :param counts: names of numbers, of which sizes of members may be sums.
    """

    def length(found: re.Match[str]) -> str:
        words = [word.strip() for word in found[1].split("+")]
        known = all(word.isdigit() or word in counts for word in words)
        return f"[{sum(_count(word, counts) for word in words)}];" if known else found[0]

    numbered = re.sub(r"\[([\w +]+)\];", length, text)
    spelled = re.sub(r"\b(u(?:8|16|32|64))\b", r"__\1", numbered)
    structs = layout.parse_structs(spelled, lenient=True)
    return _SCALARS | {f"struct {name}": dtype.itemsize for name, dtype in structs.items()}


def _hash(key: int, value: int, count: int, spare: int | None = None) -> int:
    """A preallocated hash table (kernel: htab_map_mem_usage); a spare element per processor unless LRU."""
    elements = count + (possible_cpus() if spare is None else spare)
    return elements * (_ELEMENT_BYTES + _padded(key) + _padded(value)) + _buckets(count)


def _buckets(count: int) -> int:
    """Of a hash table of at most so many elements."""
    buckets: int = 1 << (count - 1).bit_length()
    return buckets * _BUCKET_BYTES


def _ring(size: int) -> int:
    """A ring, and the addresses of its pages, which are mapped twice (kernel: ringbuf_map_mem_usage)."""
    return size + 3 * _PAGE + (3 + 2 * (size // _PAGE)) * _POINTER_BYTES


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
