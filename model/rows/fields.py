"""What a row is made of: fields, which read columns and tables."""

from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from model.arrays import Columns, Tables

#: One value for each row.
Values = Iterable[Any]

UNSET: Final = msgspec.UNSET
#: Default of a field that is written also if it is 0 or empty; only a value that is ``UNSET`` itself is left out.
ALWAYS: Final = UNSET


class Field(NamedTuple):
    """One key of a row.

    :param name: the key, dotted.
    :param values: from columns and tables, one a row.
    :param default: the key is left out where the value is this very object (true of 0 and ""); or ``ALWAYS``.
    :param reads: all columns that a row's value depends on, in this row alone; none: nobody knows, so that it is
        asked for each row.
    """

    name: str
    values: Callable[[Columns, Tables], Values]
    default: Any = 0
    reads: tuple[str, ...] = ()


class Rows(Protocol):
    """What is written: a batch."""

    @property
    def node(self) -> str: ...
    @property
    def boot(self) -> str: ...
    @property
    def seq(self) -> int: ...
    @property
    def window(self) -> int: ...
    @property
    def columns(self) -> Columns: ...
    @property
    def tables(self) -> Tables: ...
    def __len__(self) -> int: ...
