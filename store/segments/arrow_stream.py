"""Tables handed to DuckDB without copying, by the Arrow C data interface: three structs and their callbacks.

See "The Arrow C data interface" and "The Arrow C stream interface" in Arrow's format specification. An object with
``__arrow_c_stream__`` is read by DuckDB as it is; pyarrow, which makes such objects too, is 170 MB.
"""

import ctypes
from collections.abc import Iterator
from itertools import accumulate
from typing import Any, Final

import numpy as np

from store.segments.columns import Column, Flat, Lists, Table, rows_of

#: Formats of numbers, by numpy's kind and size.
_FORMATS: Final = {
    "i1": b"c", "u1": b"C", "i2": b"s", "u2": b"S", "i4": b"i", "u4": b"I", "i8": b"l", "u8": b"L",
}  # fmt: skip
_TEXT: Final = b"U"  # with offsets of 64 bits
_LIST: Final = b"+L"  # likewise
_STRUCT: Final = b"+s"
_CAPSULE: Final = b"arrow_array_stream"


class _Schema(ctypes.Structure):
    pass


class _Array(ctypes.Structure):
    pass


class _Stream(ctypes.Structure):
    pass


_SCHEMA_P: Final = ctypes.POINTER(_Schema)
_ARRAY_P: Final = ctypes.POINTER(_Array)
_STREAM_P: Final = ctypes.POINTER(_Stream)
_GET_SCHEMA: Final = ctypes.CFUNCTYPE(ctypes.c_int, _STREAM_P, _SCHEMA_P)
_GET_NEXT: Final = ctypes.CFUNCTYPE(ctypes.c_int, _STREAM_P, _ARRAY_P)
_GET_ERROR: Final = ctypes.CFUNCTYPE(ctypes.c_char_p, _STREAM_P)
_RELEASE_SCHEMA: Final = ctypes.CFUNCTYPE(None, _SCHEMA_P)
_RELEASE_ARRAY: Final = ctypes.CFUNCTYPE(None, _ARRAY_P)
_RELEASE_STREAM: Final = ctypes.CFUNCTYPE(None, _STREAM_P)

_Schema._fields_ = [
    ("format", ctypes.c_char_p),
    ("name", ctypes.c_char_p),
    ("metadata", ctypes.c_char_p),
    ("flags", ctypes.c_int64),
    ("n_children", ctypes.c_int64),
    ("children", ctypes.POINTER(_SCHEMA_P)),
    ("dictionary", _SCHEMA_P),
    ("release", ctypes.c_void_p),
    ("private_data", ctypes.c_void_p),
]
_Array._fields_ = [
    ("length", ctypes.c_int64),
    ("null_count", ctypes.c_int64),
    ("offset", ctypes.c_int64),
    ("n_buffers", ctypes.c_int64),
    ("n_children", ctypes.c_int64),
    ("buffers", ctypes.POINTER(ctypes.c_void_p)),
    ("children", ctypes.POINTER(_ARRAY_P)),
    ("dictionary", _ARRAY_P),
    ("release", ctypes.c_void_p),
    ("private_data", ctypes.c_void_p),
]
_Stream._fields_ = [
    ("get_schema", _GET_SCHEMA),
    ("get_next", _GET_NEXT),
    ("get_last_error", _GET_ERROR),
    ("release", _RELEASE_STREAM),
    ("private_data", ctypes.c_void_p),
]


def _release_schema(schema: Any) -> None:
    schema.contents.release = None


def _release_array(array: Any) -> None:
    array.contents.release = None


def _release_stream(stream: Any) -> None:
    stream.contents.release = _RELEASE_STREAM()


def _no_error(_: Any) -> None:
    return None


#: Called by who reads; they live as long as the program.
_SCHEMA_RELEASE: Final = _RELEASE_SCHEMA(_release_schema)
_ARRAY_RELEASE: Final = _RELEASE_ARRAY(_release_array)
_STREAM_RELEASE: Final = _RELEASE_STREAM(_release_stream)
_NO_ERROR: Final = _GET_ERROR(_no_error)

_new_capsule = ctypes.pythonapi.PyCapsule_New
_new_capsule.restype = ctypes.py_object
_new_capsule.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]


class ArrowTable:
    """A table for DuckDB: ``connection.register("name", ArrowTable(...))``.

    Its memory is the table's own. It must live as long as what reads it: it is one batch, which may be read again.
    """

    def __init__(self, table: Table) -> None:
        self._rows = rows_of(table)
        self._table = {name: _plain(column) for name, column in table.items()}
        self._kept: list[Any] = []

    def __arrow_c_stream__(self, requested_schema: object = None) -> Any:
        """A stream of one batch."""
        given = iter([True])

        def get_schema(_: Any, out: Any) -> int:
            children = [self._schema(name, column) for name, column in self._table.items()]
            ctypes.memmove(out, ctypes.byref(self._struct(children)), ctypes.sizeof(_Schema))
            return 0

        def get_next(_: Any, out: Any) -> int:
            if next(given, False):
                children = [child for column in self._table.values() for child in self._arrays(column)]
                whole = self._array(self._rows, [None], children)
                ctypes.memmove(out, ctypes.byref(whole), ctypes.sizeof(_Array))
            else:
                out.contents.release = None
            return 0

        calls = (_GET_SCHEMA(get_schema), _GET_NEXT(get_next), _NO_ERROR, _STREAM_RELEASE)
        stream = _Stream(*calls, None)
        self._kept += [calls, stream]
        return _new_capsule(ctypes.addressof(stream), _CAPSULE, None)

    def _struct(self, children: list[_Schema]) -> _Schema:
        return self._named("", _STRUCT, children)

    def _schema(self, name: str, column: Column) -> _Schema:
        if isinstance(column, Lists):
            return self._named(name, _LIST, [self._schema("item", column.values)])
        return self._named(name, _TEXT if isinstance(column, list) else _FORMATS[column.dtype.str[1:]], [])

    def _named(self, name: str, kind: bytes, children: list[_Schema]) -> _Schema:
        pointers = (_SCHEMA_P * max(1, len(children)))(*map(ctypes.pointer, children))
        release = ctypes.cast(_SCHEMA_RELEASE, ctypes.c_void_p)
        schema = _Schema(kind, name.encode(), None, 0, len(children), pointers, None, release, None)
        self._kept += [children, pointers, schema]
        return schema

    def _arrays(self, column: Column) -> Iterator[_Array]:
        if isinstance(column, Lists):
            yield self._array(len(column), [None, column.offsets], list(self._arrays(column.values)))
        elif isinstance(column, list):
            texts = [text.encode(errors="replace") for text in column]
            offsets = np.fromiter(accumulate(map(len, texts), initial=0), np.int64, len(texts) + 1)
            characters = np.frombuffer(b"".join(texts) or b"\0", np.uint8)
            yield self._array(len(texts), [None, offsets, characters], [])
        else:
            yield self._array(len(column), [None, column], [])

    def _array(self, length: int, buffers: list[np.ndarray | None], children: list[_Array]) -> _Array:
        addresses = [None if each is None else each.ctypes.data for each in buffers]
        held = (ctypes.c_void_p * len(buffers))(*addresses)
        pointers = (_ARRAY_P * max(1, len(children)))(*map(ctypes.pointer, children))
        release = ctypes.cast(_ARRAY_RELEASE, ctypes.c_void_p)
        counts = (length, 0, 0, len(buffers), len(children))
        array = _Array(*counts, held, pointers, None, release, None)
        self._kept += [buffers, held, children, pointers, array]
        return array


def _plain(column: Column) -> Column:
    """With numbers that lie together."""
    if isinstance(column, Lists):
        return Lists(np.ascontiguousarray(column.offsets, np.int64), _flat(column.values))
    return _flat(column)


def _flat(values: Flat) -> Flat:
    return values if isinstance(values, list) else np.ascontiguousarray(values)
