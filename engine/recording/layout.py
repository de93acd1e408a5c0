"""The layout of structs as a recording keeps it, and arrays of another layout read by the names of their fields."""

from collections.abc import Mapping
from typing import Annotated, Final, Union

import msgspec
import numpy as np

from model.errors import TailraceError
from probes.kernel.event_types import EventTypes
from probes.kernel.layout import structs

#: The struct of each array of a frame; what is not here is an array of 32-bit numbers, or no array.
STRUCTS: Final = {"events": "socket_event", "cells": "cell", "descriptions": "description"}
NUMBERS: Final = ("slots", "new_slots")
#: The array of a frame of a probe's own ring, whose struct the header names.
RECORDS: Final = "records"

#: Space for later fields: never copied.
_RESERVED: Final = "reserved"

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


def current_structs(event_types: EventTypes) -> dict[str, np.dtype[np.void]]:
    """This program's structs by name: those of arrays, then those of events."""
    return {name: structs("tcp")[name] for name in STRUCTS.values()} | event_types.structs


def current_layouts(event_types: EventTypes) -> dict[str, Layout]:
    """Their layouts."""
    return {name: layout_of(dtype) for name, dtype in current_structs(event_types).items()}


class ArrayReader:
    """Brings the arrays of a recording to this program's layout: fields that are new are zero; fields, structs and
    rings that this program does not know are left aside.

    :param layouts: as recorded.
    :param rings: the struct of each ring of a probe's own, as recorded.
    :raises RecordingError: if a struct is missing or a field means something else here.
    """

    def __init__(self, layouts: dict[str, Layout], rings: Mapping[str, str], event_types: EventTypes) -> None:
        self._rings, self._event_types = rings, event_types
        self._current = current_structs(event_types)
        described = {*STRUCTS.values(), *rings.values(), *(name for name in self._current if name in layouts)}
        try:
            self._recorded = {name: dtype_of(layouts[name]) for name in described}
        except (KeyError, ValueError, TypeError) as error:
            raise RecordingError(f"the recording's layout cannot be read: {error}") from error
        self._known = [name for name in self._current if name in self._recorded]
        for name in self._known:
            _check(self._recorded[name], self._current[name], name)
        shared = {*self._known} & {*event_types.shared}
        if len({self._recorded[name].itemsize for name in shared}) > 1:
            raise RecordingError("the recording's layout cannot be read: events of two sizes")
        self._same = all(layouts[name] == layout_of(self._current[name]) for name in self._known)

    def struct_of(self, array: str, ring: str) -> str | None:
        """The struct of a frame's array; None for what is none of structs.

        :param ring: that the frame names, if it does.
        """
        return self._rings.get(ring) if array == RECORDS else STRUCTS.get(array)

    def item_bytes(self, array: str, ring: str = "") -> int:
        """Bytes of one item of a frame's array, as recorded; 1 for what is no array."""
        if array in NUMBERS:
            return 4
        struct = self.struct_of(array, ring)
        return self._recorded[struct].itemsize if struct else 1

    def read(self, array: str, data: bytes, ring: str = "") -> bytes:
        """``data`` as this program lays it out; of a struct that it does not know, as it is."""
        struct = self.struct_of(array, ring)
        if self._same or struct not in self._known:
            return data
        source = np.frombuffer(data, self._recorded[struct])
        target = np.zeros(len(source), self._current[struct])
        _copy(source, target)
        if array == "events":
            for name in self._event_types.shared:
                rows = np.isin(target["header"]["kind"], self._event_types.kinds_of(name))
                target[rows] = self._events_of(name, source[rows]).view(self._current[struct])
        return target.tobytes()

    def _events_of(self, struct: str, events: np.ndarray) -> np.ndarray:
        target = np.zeros(len(events), self._current[struct])
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
