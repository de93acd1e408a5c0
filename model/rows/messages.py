"""Rows as public messages: grouped by subject, in messages of a bounded size."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import msgspec

from model.kinds.flow_batch import FlowBatch
from model.kinds.workload_batch import WorkloadBatch
from model.messages import FLOW_VERSION
from model.subjects import token

#: Bytes of the largest message made, however much the server would take: a reader walks back message by message.
LARGEST: Final = 256 << 10

#: Bytes that the map around the rows, and the header with the message's id, may take beside their texts.
_AROUND: Final = 192

_encoder: Final = msgspec.msgpack.Encoder()


@dataclass(frozen=True)
class RowPart:
    """One message to publish.

    :param id: the same for the same rows, so that a message that is sent again can be told. The window is in it,
        as a program that starts again may count its messages from 0.
    """

    subject: str
    id: str
    rows: int
    data: bytes


def row_parts(
    kind: str,
    batch: FlowBatch | WorkloadBatch,
    subjects: Iterable[tuple[str, Iterable[bytes]]],
    limit: int,
) -> list[RowPart]:
    """Messages that are, with the id in a header, at most ``limit`` bytes; none without rows.

    Rows that do not fit into a message of their own are left out.

    :param subjects: each with its rows of ``batch``, packed.
    """
    name = f"{token(batch.node)}.{token(batch.boot)}.{batch.seq}.{batch.window}"
    around = _AROUND + len(name) + len(batch.node.encode()) + len(batch.boot.encode())
    room = min(limit, LARGEST) - around
    groups = [(subject, rows) for subject, packed in subjects for rows in _fitting(packed, room)]
    head = {"v": FLOW_VERSION, "kind": kind, "node": batch.node, "boot": batch.boot}
    head |= {"seq": batch.seq, "window": batch.window, "parts": len(groups)}
    return [
        RowPart(subject, f"{name}.{part}", len(rows), _encoder.encode(head | {"part": part, "rows": rows}))
        for part, (subject, rows) in enumerate(groups)
    ]


def _fitting(rows: Iterable[bytes], room: int) -> Iterator[list[msgspec.Raw]]:
    group: list[msgspec.Raw] = []
    size = 0
    for row in rows:
        if len(row) > room:
            continue
        if size + len(row) > room:
            yield group
            group, size = [], 0
        group.append(msgspec.Raw(row))
        size += len(row)
    if group:
        yield group
