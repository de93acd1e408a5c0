"""Delta batches as public flow messages; a row says what its JSON line says (see ``sinks.delta_json``)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from engine.batch import DeltaBatch
from engine.flows import FLOW_VERSION
from engine.transport.nats_names import token
from sinks.delta_json import delta_lines

#: Bytes of the largest message made, however much the server would take: a reader walks back message by message.
LARGEST: Final = 256 << 10

#: Bytes that the map around the rows, and the header with the message's id, may take beside their texts.
_AROUND: Final = 192

#: What a JSON line says of every row and the message says once.
_HEAD: Final = ("kind", "node", "boot", "seq", "window")

_lines: Final = msgspec.json.Decoder(dict[str, Any])
_encoder: Final = msgspec.msgpack.Encoder()


@dataclass(frozen=True)
class FlowPart:
    """One message to publish.

    :param id: the same for the same rows, so that a message that is sent again can be told. The window is in it,
        as a program that starts again may count its messages from 0.
    """

    id: str
    rows: int
    data: bytes


def flow_parts(batch: DeltaBatch, limit: int) -> list[FlowPart]:
    """``batch`` as messages that are, with the id in a header, at most ``limit`` bytes; none without rows.

    Rows that do not fit into a message of their own are left out.
    """
    name = f"{token(batch.node)}.{token(batch.boot)}.{batch.seq}.{batch.window}"
    around = _AROUND + len(name) + len(batch.node.encode()) + len(batch.boot.encode())
    groups = list(_groups(_encoded_rows(batch), min(limit, LARGEST) - around))
    head = {"v": FLOW_VERSION, "kind": "flow", "node": batch.node, "boot": batch.boot}
    head |= {"seq": batch.seq, "window": batch.window, "parts": len(groups)}
    return [
        FlowPart(f"{name}.{part}", len(rows), _encoder.encode(head | {"part": part, "rows": rows}))
        for part, rows in enumerate(groups)
    ]


def _encoded_rows(batch: DeltaBatch) -> Iterator[msgspec.Raw]:
    for lines in delta_lines(batch):
        for row in _lines.decode_lines(lines):
            for key in _HEAD:
                del row[key]
            yield msgspec.Raw(_encoder.encode(row))


def _groups(rows: Iterator[msgspec.Raw], room: int) -> Iterator[list[msgspec.Raw]]:
    """Rows, in order, in groups of at most ``room`` bytes."""
    group: list[msgspec.Raw] = []
    size = 0
    for row in rows:
        length = len(memoryview(row))
        if length > room:
            continue
        if size + length > room:
            yield group
            group, size = [], 0
        group.append(row)
        size += length
    if group:
        yield group
