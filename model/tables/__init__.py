"""Tables that the index columns of a row kind point into."""

from collections.abc import Callable
from dataclasses import dataclass

from model.rows.fields import Field
from model.tables.fields import (
    chain_field,
    entity_field,
    histogram_field,
    looked_up,
    record_fields,
    stem,
    text_field,
)
from model.tables.types import (
    CHAIN,
    ENTITY,
    HISTOGRAM,
    NOBODY,
    QUERIES,
    REQUESTS,
    TEXTS,
    ListType,
    RecordType,
    TableType,
)

__all__ = [
    "CHAIN",
    "ENTITY",
    "HISTOGRAM",
    "NOBODY",
    "QUERIES",
    "REQUESTS",
    "TEXTS",
    "ListType",
    "RecordType",
    "Table",
    "TableType",
    "chain_field",
    "entity_field",
    "histogram_field",
    "looked_up",
    "record_fields",
    "stem",
    "text_field",
]


@dataclass(frozen=True, eq=False)
class Table:
    """One table of a row kind.

    :param name: its key in a message.
    :param type: what it is made of.
    :param fields: of an index column, by its name.
    :param meaning: what it holds, for the page.
    """

    name: str
    type: TableType
    fields: Callable[[str], tuple[Field, ...]]
    meaning: str = ""
