"""A row kind: its columns, tables, key, subject and text, declared once; everything else follows from it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import numpy as np

from model.arrays import Columns, Tables
from model.column import Column
from model.narrowing import Wanted, narrowed
from model.rows.fields import Field
from model.rows.format import RowFormat
from model.subjects import Public, node_token, public_rows
from model.tables import ENTITY, Table
from model.text.plain import plain_text
from model.text.table import Text
from model.traffic import Traffic

#: Rows of one batch at most, unless a kind says otherwise.
CHUNK_ROWS: Final = 4000

#: What the head of every message has; columns, tables and head fields of a kind have other names.
HEAD: Final = (
    *("v", "kind", "node", "boot", "seq", "window"),
    *("chunk", "chunks", "n", "columns", "via"),
)

#: Rows of a batch by the subject that they are published on: their places, or None for all of them.
Divide = Callable[[str, Columns, Tables], Iterator[tuple[str, np.ndarray | None]]]


@dataclass(frozen=True)
class Subject:
    """Where rows are published for whoever subscribes.

    :param root: the beginning of the subjects.
    :param stream: that keeps them.
    :param divide: rows by what follows the root: the node that the batch comes from, columns, tables.
    """

    root: str
    stream: str
    divide: Divide


def by_node(node: str, _: Columns, __: Tables) -> Iterator[tuple[str, np.ndarray | None]]:
    """``Subject.divide`` by the node that made the rows."""
    yield node_token(node), None


def own_subject(plural: str) -> Subject:
    """That of a kind whose rows go by the node that made them."""
    public = public_rows(plural)
    return Subject(public.subject, public.stream, by_node)


@dataclass(frozen=True, eq=False, repr=False)
class Kind:
    """One kind of row.

    :param name: as messages and JSON lines say it: ``flow``.
    :param plural: as the configuration and people say it: ``flows``.
    :param columns: in the order of the schema page; the first is there in every batch. None: batches have no rows.
    :param key: columns that say what a row is about.
    :param lead: fields that rows begin with, by their names in rows; the others follow in the order of the columns.
    :param derived: fields that rows have beside those of columns, each with the name of the field before it; at the
        end if that is empty.
    :param head: what a message says as a whole beside its rows, with defaults.
    :param subject: where rows are published; None: nowhere.
    :param text: how people read rows, if there is more to it than fields side by side.
    :param traffic: how rows are summed up, if they move something.
    :param asked: likewise of rows of requests.
    :param rank: the column by which rows come, the largest first, where nothing else is asked for; what is counted in
        it stands in summaries in the place of connections.
    :param version: of the messages; columns are added without a new one.
    :param document: what is written of ``head`` as one JSON line for each batch, beside those of its rows.
    :param to_all_sinks: whether sinks get it beside the rows that they were asked for.
    :param page: its chapter of the schema page; ``{columns}`` stands for the table of columns, ``{columns GROUP}``
        for that of a group of them.
    :param title: of the chapter; the plural by default.
    :param brief: patterns of the fields that tell most in little room; none: all.
    :param only: patterns of the fields that rows have, where that is not all (``model.narrowing``).
    """

    name: str
    plural: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    lead: tuple[str, ...] = ()
    derived: tuple[tuple[str, Field], ...] = ()
    head: Mapping[str, Any] = field(default_factory=dict)
    subject: Subject | None = None
    text: Text | None = None
    traffic: Traffic | None = None
    asked: Traffic | None = None
    rank: str = ""
    version: int = 1
    chunk_rows: int = CHUNK_ROWS
    document: tuple[str, ...] = ()
    to_all_sinks: bool = False
    page: str = ""
    title: str = ""
    brief: tuple[str, ...] = ()
    only: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Its name: columns are many."""
        return f"<kind {self.name}>"

    def __post_init__(self) -> None:
        names = [column.name for column in self.columns]
        if unknown := set(self.key) - set(names):
            raise ValueError(f"kind {self.name}: no columns for its key: {', '.join(sorted(unknown))}")
        of_message = [*HEAD, *(table for table in self.tables), *self.head]
        for kind, used in (("columns", names), ("keys of a message", of_message)):
            if twice := {name for name in used if used.count(name) > 1}:
                raise ValueError(f"kind {self.name}: {kind} of the same name: {', '.join(sorted(twice))}")

    @property
    def figures(self) -> Traffic | None:
        """How its rows are summed up, of connections or of requests; None: not at all."""
        return self.traffic or self.asked

    @property
    def public(self) -> Public | None:
        """Where its rows are published; None: nowhere."""
        subject = self.subject
        return Public(self.plural, self.name, subject.root, subject.stream) if subject else None

    @cached_property
    def types(self) -> dict[str, str]:
        """Column name -> numpy type."""
        return {column.name: column.type for column in self.columns}

    @cached_property
    def dtypes(self) -> "dict[str, np.dtype[np.generic]]":
        """The same as numpy's objects: it reads a name anew each time."""
        return {column.name: column.dtype for column in self.columns}

    @cached_property
    def tables(self) -> dict[str, Table]:
        """The tables that its columns point into, by name."""
        return {column.table.name: column.table for column in self.columns if column.table}

    @cached_property
    def indexes(self) -> dict[str, list[str]]:
        """Table name -> the columns that point into it."""
        return {
            name: [column.name for column in self.columns if column.table is table]
            for name, table in self.tables.items()
        }

    @cached_property
    def rows(self) -> RowFormat:
        """How rows are written."""
        return RowFormat(self.name, list(narrowed(self._fields(), self.entities, self.wanted)))

    @cached_property
    def wanted(self) -> Wanted:
        """Which names of fields are in rows."""
        return Wanted(self.only)

    def writes(self, name: str) -> bool:
        """Whether rows have a field; of a map of attributes, whether they may have some of it."""
        return self.wanted.some(name) if name in self.entities else self.wanted.name(name)

    @cached_property
    def entities(self) -> set[str]:
        """Fields that are maps of attributes."""
        columns = (column for column in self.columns if column.table and column.table.type is ENTITY)
        return {field.name for column in columns for field in column.row_fields()}

    @cached_property
    def reading(self) -> Text:
        """How people read rows."""
        numbers = {column.name for column in self.columns if column.dtype.kind in "iuf" and not column.codes}
        return self.text or plain_text([(each.name, each.name in numbers) for each in self.rows.fields])

    def column(self, name: str) -> Column:
        """One of its columns.

        :raises KeyError: if there is none of this name.
        """
        return self._by_name[name]

    @cached_property
    def _by_name(self) -> dict[str, Column]:
        return {column.name: column for column in self.columns}

    def empty(self, rows: int = 0) -> Columns:
        """All columns with so many rows of their defaults."""
        return {column.name: column.filled(rows) for column in self.columns}

    def _fields(self) -> Iterator[Field]:
        """``lead`` first, then columns in order, each with what is derived beside it."""
        fields = {each.name: each for column in self.columns for each in column.row_fields()}
        order = [*self.lead, *(name for name in fields if name not in self.lead)]
        for name in order:
            yield fields[name]
            yield from (each for before, each in self.derived if before == name)
        yield from (each for before, each in self.derived if not before)
