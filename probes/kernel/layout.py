"""numpy layouts of the structs in ``bpf/events.h``: the C text is the only place where they are written."""

import re
from functools import cache
from importlib import resources

import numpy as np

_SCALARS = {"__u8": "<u1", "__u16": "<u2", "__u32": "<u4", "__u64": "<u8"}
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_STRUCT = re.compile(r"struct (\w+) \{(.*?)\n\};", re.DOTALL)
_ENUM = re.compile(r"enum (\w+) \{(.*?)\n\};", re.DOTALL)
_MEMBER = re.compile(r"(struct \w+|\w+) (\w+)(?:\[(\d+)\])?;")


def source() -> str:
    """The text of ``bpf/events.h``."""
    return resources.files("bpf").joinpath("events.h").read_text()


def _member(ctype: str, name: str, count: str, known: dict[str, np.dtype[np.void]]) -> tuple[str, object]:
    if ctype.startswith("struct "):
        return name, known[ctype.removeprefix("struct ")]
    if ctype == "char":
        return name, f"S{count}"
    if not count:
        return name, _SCALARS[ctype]
    if ctype == "__u8":
        return name, f"V{count}"
    return name, (_SCALARS[ctype], int(count))


def parse_structs(text: str) -> dict[str, np.dtype[np.void]]:
    """Structs by name, aligned as C aligns them; char arrays are strings, byte arrays are void.

    :raises KeyError: if a member has a type that the header may not use.
    """
    structs: dict[str, np.dtype[np.void]] = {}
    for name, body in _STRUCT.findall(_COMMENT.sub("", text)):
        members = [_member(ctype, member, count, structs) for ctype, member, count in _MEMBER.findall(body)]
        structs[name] = np.dtype(members, align=True)
    return structs


def parse_enums(text: str) -> dict[str, dict[str, int]]:
    """Enumerators by the name of their enum; every one has its value written out."""
    enums = {}
    for name, body in _ENUM.findall(_COMMENT.sub("", text)):
        pairs = re.findall(r"(\w+) = (\d+)", body)
        enums[name] = {enumerator: int(value) for enumerator, value in pairs}
    return enums


@cache
def structs() -> dict[str, np.dtype[np.void]]:
    """The structs of ``bpf/events.h``."""
    return parse_structs(source())


@cache
def enums() -> dict[str, dict[str, int]]:
    """The enums of ``bpf/events.h``."""
    return parse_enums(source())


def void_rows(structured: np.ndarray) -> np.ndarray:
    """The same memory without fields: so it is copied by the row; numpy by itself copies structs field by field."""
    return structured.view(f"V{structured.dtype.itemsize}")


def rows_where(structured: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """``structured[mask]``, copied by the row."""
    if mask.all():
        return structured
    rows: np.ndarray = void_rows(structured)[mask].view(structured.dtype)
    return rows


def copied(structured: np.ndarray) -> np.ndarray:
    """``structured.copy()``, the same way."""
    rows: np.ndarray = void_rows(structured).copy().view(structured.dtype)
    return rows


def joined(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The rows of both, the same way."""
    rows: np.ndarray = np.concatenate((void_rows(first), void_rows(second))).view(first.dtype)
    return rows


def packed_bytes(structured: np.ndarray) -> bytes:
    """``structured.tobytes()``, the same way."""
    return void_rows(structured).tobytes()


@cache
def ring_record() -> np.dtype[np.void]:
    """One record of the ring: the kernel's 8-byte header, then the event.

    Header: length with the bits "being written" (31) and "discarded" (30), then a page offset
    (kernel: ``struct bpf_ringbuf_hdr``).
    """
    return np.dtype([("length", "<u4"), ("page", "<u4"), ("event", structs()["socket_event"])])
