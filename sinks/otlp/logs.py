"""Rows of any kind as OTLP logs: a record for each, whose attributes are the fields of its JSON line.

opentelemetry/proto/logs/v1/logs.proto.
"""

import struct
from collections.abc import Iterable
from itertools import repeat
from typing import Any, Final

import msgspec
import numpy as np

from model.batch import Batch
from model.rows.fields import ALWAYS, Field
from model.varint import varint
from sinks.otlp.metrics import SECOND_NS, Encoded
from sinks.otlp.wire import field, key_value

#: SEVERITY_NUMBER_INFO, and WARN where a connect failed.
_INFO: Final = b"\x10\x09"
_WARN: Final = b"\x10\x0d"
_times: Final = struct.Struct("<cQcQ").pack
_NOTHING: Final = b""


def logs_of(batch: Batch, resource: bytes, scope: bytes, now_ns: int) -> Encoded:
    """A batch as ``ExportLogsServiceRequest``.

    :param now_ns: when the rows were observed.
    """
    columns = [_field_bytes(each, batch) for each in batch.kind.rows.fields]
    late = batch.columns.get("window.late_s", np.zeros(len(batch), np.int64)).astype(np.int64)
    times = ((batch.window - late) * SECOND_NS).tolist()
    failed = batch.columns.get("connection.failed", np.zeros(len(batch), np.uint8)).tolist()
    head = {"node": batch.node, "boot": batch.boot, "seq": batch.seq}
    same = b"".join(field(6, key_value(f"tailrace.{name}", value)) for name, value in head.items())
    same += field(12, f"tailrace.{batch.kind.name}".encode())
    parts = []
    for at, wrong, attributes in zip(
        times, failed, map(_NOTHING.join, zip(*columns, strict=True)), strict=True
    ):
        body = _times(b"\x09", at, b"\x59", now_ns) + (_WARN if wrong else _INFO) + same + attributes
        parts.append(b"\x12" + varint(len(body)) + body)
    return Encoded(field(1, resource + field(2, scope + b"".join(parts))), len(parts))


class _Known(dict[Any, bytes]):
    """The attributes of each value of a field, made once."""

    def __init__(self, each: Field) -> None:
        super().__init__()
        self._each = each

    def __missing__(self, value: Any) -> bytes:
        self[value] = made = _attributes(self._each, value)
        return made


def _field_bytes(each: Field, batch: Batch) -> Iterable[bytes]:
    """Of each row the attributes that a field becomes, framed; what a line leaves out is left out."""
    values = each.values(batch.columns, batch.tables)
    if isinstance(values, repeat):
        return [_attributes(each, next(values))] * len(batch)
    values = values if isinstance(values, list) else list(values)
    try:
        return list(map(_Known(each).__getitem__, values))
    except TypeError:  # maps and lists, each the same object wherever it is the same
        different = {id(value): value for value in values}
        known = {key: _attributes(each, value) for key, value in different.items()}
        return [known[id(value)] for value in values]


def _attributes(each: Field, value: Any) -> bytes:
    if value is msgspec.UNSET or (each.default is not ALWAYS and value == each.default):
        return _NOTHING
    name = each.name
    if isinstance(value, dict) and name.rpartition(".")[2] == "entity":
        side = name.removesuffix("entity")
        return b"".join(field(6, key_value(f"{side}{attribute}", text)) for attribute, text in value.items())
    return field(6, key_value(name, value))
