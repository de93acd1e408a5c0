"""Public messages: rows of any kind, grouped by subject, for whoever subscribes (``docs/subjects.md``)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import msgspec

from model.batch import Batch
from model.subjects import token

#: Of the messages, whatever they carry.
VERSION: Final = 1

#: Bytes of the largest message made, however much the server would take: a reader walks back message by message.
LARGEST: Final = 256 << 10

#: Bytes that the map around the rows, and the header with the message's id, may take beside their texts.
_AROUND: Final = 192


class BadRows(ValueError):
    """Bytes that are no message of rows of a version this program reads."""


class RowMessage(msgspec.Struct, frozen=True):
    """One message. ``node``, ``boot``, ``seq``, ``window`` and ``part`` name it for good.

    :param kind: of the rows: "flow".
    :param node: who made them; the nodes of a flow's ends stand in its row.
    :param seq: number of the batch that the rows come from.
    :param window: the second since the epoch.
    :param rows: dotted names of the schema, without those that are the same for all rows.
    :param part: this message's place among the ``parts`` that the batch became, on whatever subjects.
    """

    v: int
    kind: str
    node: str
    boot: str
    seq: int
    window: int
    rows: list[dict[str, Any]]
    part: int = 0
    parts: int = 1


class PublicRow(NamedTuple):
    """One row with what its message says of it."""

    kind: str
    node: str
    boot: str
    seq: int
    window: int
    row: dict[str, Any]


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


_decoder: Final = msgspec.msgpack.Decoder(RowMessage)
_encoder: Final = msgspec.msgpack.Encoder()


def decode_rows(data: bytes, kind: str) -> list[PublicRow]:
    """The rows of a message. Keys that this version does not know are left aside.

    :param kind: empty: any.

    :raises BadRows: if the bytes are no message of this kind, or one of another version.
    """
    try:
        message = _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadRows(f"not a {kind} message: {error}") from error
    if message.v != VERSION or message.kind != (kind or message.kind):
        raise BadRows(f"{message.kind!r} of version {message.v}, this program reads {kind} of {VERSION}")
    head = (message.kind, message.node, message.boot, message.seq, message.window)
    return [PublicRow(*head, row) for row in message.rows]


def row_parts(batch: Batch, limit: int) -> list[RowPart]:
    """Messages that are, with the id in a header, at most ``limit`` bytes; none without rows.

    Rows that do not fit into a message of their own are left out.
    """
    name = f"{token(batch.node)}.{token(batch.boot)}.{batch.seq}.{batch.window}"
    around = _AROUND + len(name) + len(batch.node.encode()) + len(batch.boot.encode())
    room = min(limit, LARGEST) - around
    groups = [(subject, rows) for subject, part in _by_subject(batch) for rows in _fitting(part, room)]
    head = {"v": VERSION, "kind": batch.kind.name, "node": batch.node, "boot": batch.boot}
    head |= {"seq": batch.seq, "window": batch.window, "parts": len(groups)}
    return [
        RowPart(subject, f"{name}.{part}", len(rows), _encoder.encode(head | {"part": part, "rows": rows}))
        for part, (subject, rows) in enumerate(groups)
    ]


def _by_subject(batch: Batch) -> Iterator[tuple[str, Batch]]:
    subject = batch.kind.subject
    if subject is None:
        return
    for token_, rows in subject.divide(batch.node, batch.columns, batch.tables):
        yield f"{subject.root}.{token_}", batch if rows is None else batch.take(rows)


def _fitting(batch: Batch, room: int) -> Iterator[list[msgspec.Raw]]:
    group: list[msgspec.Raw] = []
    size = 0
    for row in batch.packed_rows():
        if len(row) > room:
            continue
        if size + len(row) > room:
            yield group
            group, size = [], 0
        group.append(msgspec.Raw(row))
        size += len(row)
    if group:
        yield group
