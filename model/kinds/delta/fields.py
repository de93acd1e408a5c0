"""What columns of a socket become in rows where that is more than their values."""

from typing import Final

from model.arrays import Array, Columns, Tables
from model.kinds.delta.codes import Evidence
from model.rows import values as row_values
from model.rows.fields import ALWAYS, UNSET, Field, Values

NO_SLOT: Final = 0xFFFFFFFF


def slot_fields(name: str) -> tuple[Field, ...]:
    """Without the number that stands for no slot."""

    def values(columns: Columns, _: Tables) -> Values:
        return slots(columns[name])

    return (Field(name, values, ALWAYS, (name,)),)


def slots(column: Array) -> list[object]:
    """Slots; nothing where a socket was counted without one."""
    return [UNSET if slot == NO_SLOT else slot for slot in column.tolist()]


def user_fields(name: str) -> tuple[Field, ...]:
    """0 is root where somebody owns the socket, and nobody where no one does."""
    evidence = f"{name.removesuffix('user.id')}owner.evidence"

    def values(columns: Columns, _: Tables) -> Values:
        column = columns[name]
        nobody = (columns[evidence] == Evidence.NONE) & (column == 0)
        return row_values.only(column.tolist(), ~nobody)

    return (Field(name, values, ALWAYS, (name, evidence)),)
