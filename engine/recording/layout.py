"""The layout of structs as a recording keeps it, and arrays of another layout read by the names of their fields."""

from typing import Annotated, Final, Union

import msgspec
import numpy as np

from model.errors import TailraceError
from probes.kernel.layout import enums, structs

#: The struct of each array of a frame; what is not here is an array of 32-bit numbers, or no array.
STRUCTS: Final = {"events": "socket_event", "cells": "cell", "descriptions": "description"}
NUMBERS: Final = ("slots", "new_slots")
#: What a recording must describe.
RECORDED: Final = (*STRUCTS.values(), "cgroup_event")
#: What it describes unless it was made before there were such events.
LATER: Final = ("nat_event", "exec_event")

#: Space for later fields: never copied.
_RESERVED: Final = "reserved"
_KIND: Final = enums()["event_kind"]
#: An event is one of several structs of the same size: those that are not ``struct socket_event``, with their kinds.
_EVENTS: Final = {
    "cgroup_event": (_KIND["KIND_CGROUP"],),
    "nat_event": (_KIND["KIND_NAT_NEW"], _KIND["KIND_NAT_DELETED"]),
    "exec_event": (_KIND["KIND_EXEC"],),
}

_Scalar = Annotated[str, msgspec.Meta(pattern=r"^(\(\d{1,3},\))?[<|]u[1248]$|^\|[SV]\d{1,3}$")]
_Offset = Annotated[int, msgspec.Meta(ge=0, le=4096)]


class RecordingError(TailraceError):
    """A recording that cannot be written or read."""


class Layout(msgspec.Struct, frozen=True):
    """One struct: its size in bytes, and name, offset and numpy type (or layout) of each field."""

    size: Annotated[int, msgspec.Meta(ge=1, le=4096)]
    fields: list[tuple[str, _Offset, Union[_Scalar, "Layout"]]]


def layout_of(dtype: np.dtype[np.void]) -> Layout:
    """The layout to keep for ``dtype``."""
    fields: list[tuple[str, int, str | Layout]] = []
    for name, (inner, offset, *_) in (dtype.fields or {}).items():
        fields.append((name, offset, layout_of(inner) if inner.names else _scalar_text(inner)))
    return Layout(dtype.itemsize, fields)


def _scalar_text(dtype: np.dtype[np.generic]) -> str:
    base, shape = dtype.subdtype or (dtype, ())
    return f"({shape[0]},){base.str}" if shape else base.str


def dtype_of(layout: Layout) -> np.dtype[np.void]:
    """The numpy type that ``layout`` describes.

    :raises ValueError: if fields lie outside of the struct, or a name comes twice.
    """
    return np.dtype(
        {
            "names": [name for name, _, _ in layout.fields],
            "formats": [dtype_of(kind) if isinstance(kind, Layout) else kind for _, _, kind in layout.fields],
            "offsets": [offset for _, offset, _ in layout.fields],
            "itemsize": layout.size,
        }
    )


def current_layouts() -> dict[str, Layout]:
    """Layouts of this program's structs, by name."""
    return {name: layout_of(structs()[name]) for name in (*RECORDED, *LATER)}


class ArrayReader:
    """Brings the arrays of a recording to this program's layout: fields that are new are zero, and fields that this
    program does not know are left aside.

    :raises RecordingError: if a struct is missing or a field means something else here.
    """

    def __init__(self, layouts: dict[str, Layout]) -> None:
        try:
            described = (*RECORDED, *(name for name in LATER if name in layouts))
            self._recorded = {name: dtype_of(layouts[name]) for name in described}
        except (KeyError, ValueError, TypeError) as error:
            raise RecordingError(f"the recording's layout cannot be read: {error}") from error
        for name, dtype in self._recorded.items():
            _check(dtype, structs()[name], name)
        events = ("socket_event", *(name for name in _EVENTS if name in self._recorded))
        if len({self._recorded[name].itemsize for name in events}) > 1:
            raise RecordingError("the recording's layout cannot be read: events of two sizes")
        current = current_layouts()
        self._same = all(layouts[name] == current[name] for name in self._recorded)

    def item_bytes(self, array: str) -> int:
        """Bytes of one item of a frame's array, as recorded; 1 for what is no array."""
        if array in NUMBERS:
            return 4
        return self._recorded[STRUCTS[array]].itemsize if array in STRUCTS else 1

    def read(self, array: str, data: bytes) -> bytes:
        """``data`` as this program lays it out."""
        if self._same or array not in STRUCTS:
            return data
        struct = STRUCTS[array]
        source = np.frombuffer(data, self._recorded[struct])
        target = np.zeros(len(source), structs()[struct])
        _copy(source, target)
        if array == "events":
            for name, kinds in _EVENTS.items():
                rows = np.isin(target["header"]["kind"], kinds)
                target[rows] = self._events_of(name, source[rows]).view(structs()[struct])
        return target.tobytes()

    def _events_of(self, struct: str, events: np.ndarray) -> np.ndarray:
        target = np.zeros(len(events), structs()[struct])
        if struct in self._recorded:
            _copy(np.ascontiguousarray(events).view(self._recorded[struct]), target)
        return target


def _shared(source: np.dtype[np.void], target: np.dtype[np.void]) -> list[str]:
    known = target.names or ()
    return [name for name in source.names or () if name in known and name != _RESERVED]


def _check(source: np.dtype[np.void], target: np.dtype[np.void], path: str) -> None:
    for name in _shared(source, target):
        before, now = source[name], target[name]
        if before.names and now.names:
            _check(before, now, f"{path}.{name}")
        elif before.names or now.names or not _fits(before, now):
            raise RecordingError(
                f"{path}.{name} was recorded as {before}, and is {now} here",
                "replay it with the version that recorded it",
            )


def _fits(before: np.dtype[np.generic], now: np.dtype[np.generic]) -> bool:
    """Whether all values of the one are values of the other: wider numbers, longer names."""
    if before.subdtype or now.subdtype or before.kind == "V":
        return before == now
    return before.kind == now.kind and np.can_cast(before, now, "safe")


def _copy(source: np.ndarray, target: np.ndarray) -> None:
    for name in _shared(source.dtype, target.dtype):
        if source.dtype[name].names:
            _copy(source[name], target[name])
        else:
            target[name] = source[name]
