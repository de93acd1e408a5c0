"""Delta rows and ledgers as JSON lines.

A row is one object: ``kind`` ("delta"), ``node``, ``boot``, ``window``, then the columns under the names of
the schema. ``window`` is that of the batch; a late row's own second is ``window`` - ``window.late_s``.
What is written differently from the column:

- addresses and ``process.comm`` are text (bytes that are no UTF-8 become U+FFFD);
- ``network.type`` is "ipv4" or "ipv6"; role, state, close reason and evidence are lower-case words (a code
  that this version does not know stays a number); the flags opened, closed, failed and adopted are true;
- ``cgroup.index`` becomes ``cgroup.path``; ``error.errno`` gets its name beside it as ``error.type``.

What is left out: numbers that are 0, empty text, flags that are false, the codes 0 (unknown, open, none),
and ``socket.slot`` of a row counted without a slot. Slot, generation, ports and the ``user.id`` of a known
owner stay, even if 0.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import repeat
from typing import Any, Final

import msgspec

from engine.addresses import address_text
from engine.batch import DeltaBatch, chunked
from engine.schema import DELTA_COLUMNS, NO_SLOT, Column, Evidence
from sinks import words

#: Rows encoded in one go: the interpreter is held for about 3 ms.
SLICE_ROWS: Final = 1000

#: Written always: they say which socket and connection a row is about.
_ALWAYS: Final = (
    "socket.slot",
    "socket.generation",
    "network.type",
    "network.local.address",
    "network.local.port",
    "network.peer.address",
    "network.peer.port",
    "user.id",
)

Values = Iterable[Any]


def _numbers(column: Column, _: DeltaBatch) -> Values:
    return column.tolist() if column.any() else repeat(0, len(column))


def _each(text: Callable[[Any], Any]) -> Callable[[Column, DeltaBatch], Values]:
    """A column's values by way of ``text``, called once for each different one."""

    def values(column: Column, _: DeltaBatch) -> Values:
        items = column.tolist()
        known = {item: text(item) for item in set(items)}
        return [known[item] for item in items]

    return values


def _slots(column: Column, _: DeltaBatch) -> Values:
    return [msgspec.UNSET if slot == NO_SLOT else slot for slot in column.tolist()]


def _users(column: Column, batch: DeltaBatch) -> Values:
    """0 is root where somebody owns the socket, and nobody where no one does."""
    nobody = (batch.columns["owner.evidence"] == Evidence.NONE) & (column == 0)
    users = column.tolist()
    return [msgspec.UNSET if no else user for user, no in zip(users, nobody.tolist(), strict=True)]


def _paths(column: Column, batch: DeltaBatch) -> Values:
    paths = [path.encode(errors="replace").decode() for path in batch.cgroups]
    return [paths[index] if index < len(paths) else "" for index in column.tolist()]


def _word(codes: dict[int, str]) -> Callable[[Column, DeltaBatch], Values]:
    return _each(lambda code: codes.get(code, code) if code else 0)


def _error_type(number: int) -> str:
    return words.error_name(number) if number else ""


_flag: Final = _each(lambda value: True if value else 0)
_address: Final = _each(address_text)

#: Columns that are not plain numbers.
_CONVERSIONS: Final[dict[str, Callable[[Column, DeltaBatch], Values]]] = {
    "socket.slot": _slots,
    "network.type": _word(words.NETWORK_TYPES),
    "network.local.address": _address,
    "network.peer.address": _address,
    "process.comm": _each(lambda comm: comm.decode(errors="replace")),
    "user.id": _users,
    "cgroup.index": _paths,
    "owner.evidence": _word(words.EVIDENCE),
    "connection.role": _word(words.ROLES),
    "connection.state": _word(words.STATES),
    "connection.opened": _flag,
    "connection.closed": _flag,
    "connection.failed": _flag,
    "connection.adopted": _flag,
    "connection.close_reason": _word(words.CLOSE_REASONS),
}
_RENAMED: Final = {"cgroup.index": "cgroup.path"}
_TEXT: Final = ("process.comm", "cgroup.index")

_OPTIONAL: Final = tuple(name for name in DELTA_COLUMNS if name not in _ALWAYS)


def _row_type() -> type[msgspec.Struct]:
    """A row of the schema, so that a column added there is written here without further ado.

    The encoder leaves a field out if its value is the very object of its default: true of 0 and "".
    """
    head = [(name, str) for name in ("node", "boot")]
    always = [(name.replace(".", "_"), object) for name in _ALWAYS]
    optional = [(name.replace(".", "_"), object, "" if name in _TEXT else 0) for name in _OPTIONAL]
    names = {name.replace(".", "_"): _RENAMED.get(name, name) for name in DELTA_COLUMNS}
    return msgspec.defstruct(
        "DeltaRow",
        [*head, ("seq", int), ("window", int), *always, *optional, ("error_type", str, "")],
        rename=names | {"error_type": "error.type"},
        tag_field="kind",
        tag="delta",
        omit_defaults=True,
        gc=False,
    )


_Row: Final = _row_type()
_encoder: Final = msgspec.json.Encoder()


def delta_lines(batch: DeltaBatch) -> Iterator[bytes]:
    """The rows of ``batch`` as JSON lines, at most ``SLICE_ROWS`` at a time; nothing for an empty batch."""
    if not len(batch):
        return
    for part in chunked(batch, SLICE_ROWS):
        columns = part.columns
        values = [_CONVERSIONS.get(name, _numbers)(columns[name], part) for name in (*_ALWAYS, *_OPTIONAL)]
        errors = _each(_error_type)(columns["error.errno"], part)
        head = repeat(part.node), repeat(part.boot), repeat(batch.seq), repeat(part.window)
        yield _encoder.encode_lines(list(map(_Row, *head, *values, errors)))


def ledger_line(batch: DeltaBatch) -> bytes:
    """The loss ledger that ``batch`` carries, as one JSON line: ``stages`` by name, as in the schema."""
    head = {"kind": "ledger", "node": batch.node, "boot": batch.boot, "window": batch.window}
    return _encoder.encode(head | {"stages": batch.ledger}) + b"\n"
