"""What a key of a filter looks at: columns of a kind, fields that are looked up in tables, attributes, measures."""

import errno
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import reduce
from typing import Any, Final

import numpy as np

from model.addresses import address_bytes
from model.column import Column
from model.filter.names import NAMES, Name
from model.filter.patterns import bytes_match, column_test, text_test
from model.filter.quantities import count, duration_ns
from model.filter.view import HEXADECIMAL, Mask, View
from model.kind import Kind
from model.kinds.request_text import GrpcStatus
from model.requests import NO_GRPC_STATUS
from model.rows.fields import Field
from model.rows.words import words_of
from model.tables import CHAIN, ENTITY, HISTOGRAM

#: Which rows match.
Condition = Callable[[View], Mask]
#: From an operator and a value; raises ValueError for a value that means nothing to it.
Target = Callable[[str, str], Condition]

_COMPARISONS: Final[Mapping[str, Callable[[np.ndarray, Any], Any]]] = {
    ":": np.equal,
    ">": np.greater,
    ">=": np.greater_equal,
    "<": np.less,
    "<=": np.less_equal,
}


def targets(kind: Kind, key: str) -> list[Target]:
    """All that a key may mean in rows of a kind; empty if nothing.

    :param key: a short name, the end of a column's or attribute's name, each also after a side: ``server.port``.
    """
    return list(_named(kind, key, ""))


def _named(kind: Kind, key: str, side: str) -> Iterator[Target]:
    name = NAMES.get(key)
    if name and name.measure and kind.traffic and not side:
        yield _measure(name)
    elif name and name.added:
        yield from _added(kind, name, side)
    elif name:
        found = [target for end in name.columns for target in _fields(kind, end, side)]
        found += _of_entities(kind, name.attributes, side)
        yield from found
        if not found and not side and key == "node":
            yield _node
    else:
        first, _, rest = key.partition(".")
        found = list(_fields(kind, key, side))
        if not found and not side and rest and first in _sides(kind):
            yield from _named(kind, rest, f"{first}.")
        elif not found and "." in key:
            yield from _of_entities(kind, (key,), side)
        yield from found


def _sides(kind: Kind) -> set[str]:
    """What names of columns begin with: ``client``."""
    return {column.name.partition(".")[0] for column in kind.columns if "." in column.name}


def _of_entities(kind: Kind, attributes: Sequence[str], side: str) -> Iterator[Target]:
    """Any of these attributes of whoever is at an end."""
    if attributes:
        yield from (
            _attributes(column, field, attributes)
            for column in kind.columns
            if column.table and column.table.type is ENTITY and column.name.startswith(side)
            for field in column.row_fields()
        )


def _fields(kind: Kind, end: str, side: str) -> Iterator[Target]:
    """Columns, and fields of tables of texts: that of this very name, else those that end in it."""
    if f"{side}{end}" in kind.types and kind.column(f"{side}{end}").table is None:
        yield _of_column(kind.column(f"{side}{end}"))
        return
    for column in kind.columns:
        if not column.name.startswith(side):
            continue
        if column.table is None:
            if column.name.endswith(f".{end}"):
                yield _of_column(column)
        elif column.table.type not in (ENTITY, HISTOGRAM, CHAIN):
            fields = (field for field in column.row_fields() if f".{field.name}".endswith(f".{end}"))
            yield from (_looked_up(column, field) for field in fields)


def _of_column(column: Column) -> Target:
    if column.name.endswith("errno"):
        return _coded(column.name, {name: number for number, name in errno.errorcode.items()}, "ECONNREFUSED")
    if column.codes:
        words = {word: code for code, word in words_of(column.codes).items()}
        return _coded(column.name, words, ", ".join(words))
    if column.dtype.kind == "V":
        return _address(column.name)
    if column.dtype.kind == "S":
        return _text(column.name)
    if column.values in HEXADECIMAL:
        return _id(column.name)
    if column.name.endswith("process.pid"):
        return _number(lambda view: view.columns[column.name], _pid)
    if column.name == "rpc.grpc.status_code":
        return _grpc(column.name)
    read = duration_ns if column.counted_in == "ns" else count
    return _number(lambda view: view.columns[column.name], read)


def _pid(text: str) -> float:
    """0 stands for a process that is not known."""
    if not text.isdecimal() or int(text) == 0:
        raise ValueError(f"{text} is no process id")
    return int(text)


#: ``5xx``: from 500 to 599.
_HUNDRED: Final = re.compile(r"([1-9])xx", re.I)


def _number(values: Callable[[View], np.ndarray], read: Callable[[str], float]) -> Target:
    def target(operator: str, value: str) -> Condition:
        if operator == ":" and (hundred := _HUNDRED.fullmatch(value)):
            value = f"{hundred[1]}00-{hundred[1]}99"
        low, dash, high = value.partition("-")
        if dash and operator == ":":
            least, most = read(low), read(high)
            return lambda view: (values(view) >= least) & (values(view) <= most)
        compare, number = _COMPARISONS[operator], read(value)
        return lambda view: np.asarray(compare(values(view), number), np.bool_)

    return target


def _grpc(name: str) -> Target:
    """A code of gRPC, or its name; what is no call has none, and never matches."""
    number = _number(lambda view: view.columns[name], count)

    def target(operator: str, value: str) -> Condition:
        code = GrpcStatus.__members__.get(value.upper())
        matches = number(operator, value if code is None else str(code.value))
        return lambda view: matches(view) & np.not_equal(view.columns[name], NO_GRPC_STATUS)

    return target


def _measure(name: Name) -> Target:
    def values(view: View) -> np.ndarray:
        moved = view.moved()
        first, *others = (getattr(moved, part) for part in name.measure)
        total: np.ndarray = sum(others, start=first)
        return total

    return _number(values, duration_ns if name.measure[0].endswith("_ns") else count)


def _added(kind: Kind, name: Name, side: str) -> Iterator[Target]:
    """The columns that a kind has, as one number; nothing if it has none of them."""
    columns = [f"{side}{end}" for end in name.columns if f"{side}{end}" in kind.types]
    if columns:
        yield _number(
            lambda view: np.add.reduce([view.columns[each] for each in columns], dtype=np.uint64), count
        )


def _coded(name: str, words: Mapping[str, int], examples: str) -> Target:
    def target(operator: str, value: str) -> Condition:
        _only_is(operator)
        code = words.get(value, words.get(value.upper(), words.get(value.lower())))
        if code is None and not value.isdecimal():
            raise ValueError(f"{value} is none of its words: {examples}")
        number = int(value) if code is None else code
        return lambda view: np.asarray(view.columns[name] == number, np.bool_)

    return target


def _id(name: str) -> Target:
    def target(operator: str, value: str) -> Condition:
        _only_is(operator)
        try:
            number = np.uint64(int(value, 16))
        except (ValueError, OverflowError):
            raise ValueError(f"{value} is no id: write its 16 digits") from None
        return lambda view: np.asarray(view.columns[name] == number, np.bool_)

    return target


def _text(name: str) -> Target:
    def target(operator: str, value: str) -> Condition:
        _only_is(operator)
        test = column_test(value)
        return lambda view: test(view.columns[name])

    return target


def _address(name: str) -> Target:
    def target(operator: str, value: str) -> Condition:
        _only_is(operator)
        wanted, mask = _network(value)

        return lambda view: bytes_match(view.columns[name], wanted, mask)

    return target


def _network(text: str) -> tuple[bytes, bytes]:
    """Address and mask."""
    address, slash, length = text.partition("/")
    most = 128 if ":" in address else 32
    bits = int(length) if length.isdecimal() else most
    try:
        raw = address_bytes(address)
    except OSError:
        raw = b""
    if not raw or bits > most or (slash and not length.isdecimal()):
        raise ValueError(f"{text} is no address or network: write 10.0.0.7 or 10.0.0.0/8")
    return raw, ((1 << 128) - (1 << (most - bits))).to_bytes(16, "big")


def _looked_up(column: Column, field: Field) -> Target:
    """A text of a table."""

    def target(operator: str, value: str) -> Condition:
        _only_is(operator)
        test = text_test(value)

        def matches(view: View) -> Mask:
            entries, index = view.entries(column, field)
            return _hits([entry or "" for entry in entries], test, index)

        return matches

    return target


def _attributes(column: Column, field: Field, names: Sequence[str]) -> Target:
    """Any of these attributes of whoever is at an end."""

    def target(operator: str, value: str) -> Condition:
        _only_is(operator)
        test = text_test(value)

        def matches(view: View) -> Mask:
            entities, index = view.entities(column, field)
            columns = [[entity.get(name, "") if entity else "" for entity in entities] for name in names]
            found = [_hits(texts, test, index) for texts in columns if any(texts)]
            return reduce(np.logical_or, found, np.zeros(len(index), np.bool_))

        return matches

    return target


def _hits(texts: Sequence[str], test: Callable[[str], bool], index: np.ndarray) -> Mask:
    """Which rows point to a text that passes; each is tested once."""
    known = {text: bool(text) and test(text) for text in set(texts)}
    hits = np.fromiter(map(known.__getitem__, texts), np.bool_, len(texts))
    return hits.take(index) if hits.any() else np.zeros(len(index), np.bool_)


def _node(operator: str, value: str) -> Condition:
    """Who made the rows, where they name no nodes themselves."""
    _only_is(operator)
    test = text_test(value)
    return lambda view: np.resize([test(node) for node in view.nodes()], len(view)).astype(np.bool_)


def _only_is(operator: str) -> None:
    if operator != ":":
        raise ValueError(f"it is no number: write : in place of {operator}")
