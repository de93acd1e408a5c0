"""numpy layouts of the structs that probes share with Python: the C text is the only place where they are written."""

import contextlib
import re
from functools import cache
from importlib import resources

import numpy as np

from model.probe import Probe

#: What every probe's header builds on: a folder of the package ``bpf``.
SHARED = "kernel"

_SCALARS = {"__u8": "<u1", "__u16": "<u2", "__u32": "<u4", "__u64": "<u8"}
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_STRUCT = re.compile(r"struct (\w+) \{(.*?)\n\};", re.DOTALL)
_ENUM = re.compile(r"enum (\w+) \{(.*?)\};", re.DOTALL)
_MEMBER = re.compile(r"(struct \w+|\w+) (\w+)(?:\[(\d+)\])?;")


def source(folder: str) -> str:
    """The text of the shared header and of that of one folder of ``bpf``."""
    return _text("bpf", f"{folder}/events.h")


def _text(package: str, header: str) -> str:
    shared = resources.files("bpf").joinpath(SHARED, "events.h").read_text()
    if not header or (package, header) == ("bpf", f"{SHARED}/events.h"):
        return shared
    return shared + "\n" + resources.files(package).joinpath(header).read_text()


def _member(ctype: str, name: str, count: str, known: dict[str, np.dtype[np.void]]) -> tuple[str, object]:
    if ctype.startswith("struct "):
        struct = known[ctype.removeprefix("struct ")]
        return name, (struct, int(count)) if count else struct
    if ctype == "char":
        return name, f"S{count}"
    if not count:
        return name, _SCALARS[ctype]
    if ctype == "__u8":
        return name, f"V{count}"
    return name, (_SCALARS[ctype], int(count))


def parse_structs(text: str, *, lenient: bool = False) -> dict[str, np.dtype[np.void]]:
    """Structs by name, aligned as C aligns them; char arrays are strings, byte arrays are void.

    :param lenient: leave out those with members of types that a shared header may not use.
    :raises KeyError: for such a member otherwise.
    """
    structs: dict[str, np.dtype[np.void]] = {}
    for name, body in _STRUCT.findall(_COMMENT.sub("", text)):
        with contextlib.suppress(KeyError) if lenient else contextlib.nullcontext():
            members = [_member(ctype, member, n, structs) for ctype, member, n in _MEMBER.findall(body)]
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
def structs(folder: str) -> dict[str, np.dtype[np.void]]:
    """The structs of the shared header and of that of one folder of ``bpf``."""
    return parse_structs(source(folder))


@cache
def enums(folder: str) -> dict[str, dict[str, int]]:
    """Likewise the enums."""
    return parse_enums(source(folder))


def structs_of(probe: Probe) -> dict[str, np.dtype[np.void]]:
    """The structs of the shared header and of a probe's, which may be somebody else's.

    :raises KeyError: if a member has a type that the header may not use.
    """
    return parse_structs(_text(probe.package, probe.header))


def enumerators_of(probe: Probe) -> dict[str, int]:
    """Likewise the values of all enumerators."""
    enums = parse_enums(_text(probe.package, probe.header))
    return {name: value for enum in enums.values() for name, value in enum.items()}


def void_rows(structured: np.ndarray) -> np.ndarray:
    """The same memory without fields: so it is copied by the row; numpy by itself copies structs field by field."""
    return structured.view(f"V{structured.dtype.itemsize}")


def rows_where(structured: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """``structured[mask]``, copied by the row."""
    if mask.all():
        return structured
    rows: np.ndarray = void_rows(structured)[mask].view(structured.dtype)
    return rows


def rows_at(structured: np.ndarray, places: np.ndarray) -> np.ndarray:
    """``structured[places]``, the same way."""
    rows: np.ndarray = void_rows(structured)[places].view(structured.dtype)
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


def ring_record(event: np.dtype[np.void]) -> np.dtype[np.void]:
    """One record of a ring: the kernel's 8-byte header, then the event.

    Header: length with the bits "being written" (31) and "discarded" (30), then a page offset
    (kernel: ``struct bpf_ringbuf_hdr``).
    """
    return np.dtype([("length", "<u4"), ("page", "<u4"), ("event", event)])


@cache
def shared_record() -> np.dtype[np.void]:
    """A record of the ring that all probes share, seen as the end of a socket, which most of its events are."""
    return ring_record(structs("tcp")["socket_event"])
