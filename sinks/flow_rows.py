"""Flow batches as public flow messages; a row says what its JSON line says (see ``sinks.flow_fields``)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np

from engine import subjects
from engine.flow_batch import FlowBatch
from engine.flows import FLOW_VERSION
from engine.transport.nats_names import token
from sinks.flow_fields import FLOW_ROWS

#: Bytes of the largest message made, however much the server would take: a reader walks back message by message.
LARGEST: Final = 256 << 10

#: Bytes that the map around the rows, and the header with the message's id, may take beside their texts.
_AROUND: Final = 192

_encoder: Final = msgspec.msgpack.Encoder()


@dataclass(frozen=True)
class FlowPart:
    """One message to publish.

    :param id: the same for the same rows, so that a message that is sent again can be told. The window is in it,
        as a program that starts again may count its messages from 0.
    """

    subject: str
    id: str
    rows: int
    data: bytes


def flow_parts(batch: FlowBatch, limit: int) -> list[FlowPart]:
    """``batch`` as messages that are, with the id in a header, at most ``limit`` bytes; none without rows.

    Rows that do not fit into a message of their own are left out.
    """
    name = f"{token(batch.node)}.{token(batch.boot)}.{batch.seq}.{batch.window}"
    around = _AROUND + len(name) + len(batch.node.encode()) + len(batch.boot.encode())
    groups = list(_groups(batch, min(limit, LARGEST) - around))
    head = {"v": FLOW_VERSION, "kind": "flow", "node": batch.node, "boot": batch.boot}
    head |= {"seq": batch.seq, "window": batch.window, "parts": len(groups)}
    return [
        FlowPart(subject, f"{name}.{part}", len(rows), _encoder.encode(head | {"part": part, "rows": rows}))
        for part, (subject, rows) in enumerate(groups)
    ]


def _groups(batch: FlowBatch, room: int) -> Iterator[tuple[str, list[msgspec.Raw]]]:
    """Rows by subject, in order, in groups of at most ``room`` bytes."""
    for subject, part in _by_subject(batch):
        for rows in _fitting(FLOW_ROWS.packed(part), room):
            yield subject, rows


def _by_subject(batch: FlowBatch) -> Iterator[tuple[str, FlowBatch]]:
    """The rows of each node: that of the client's end, else of the server's."""
    client, server = (batch.columns[f"{side}.node.index"] for side in ("client", "server"))
    index = np.where(client != 0, client, server)
    names = {number: subjects.flow(batch.nodes[number].name) for number in np.unique(index).tolist()}
    for name in dict.fromkeys(names.values()):
        same = [number for number, other in names.items() if other == name]
        yield name, batch if len(same) == len(names) else batch.take(np.isin(index, same))


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
