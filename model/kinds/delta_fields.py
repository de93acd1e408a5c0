"""Delta rows as they are written: the columns under the names of the schema, values as ``model.rows.values`` says.

``window`` is that of the batch; a late row's own second is ``window`` - ``window.late_s``. What is left out:
numbers that are 0, empty text, flags that are false, the codes 0 (unknown, open, none), and ``socket.slot`` of a
row counted without a slot. Slot, generation, ports and the ``user.id`` of a known owner stay, even if 0.
"""

from typing import Final

from model.kinds.delta import DELTA_COLUMNS
from model.kinds.delta_batch import DeltaBatch
from model.rows import values as row_values
from model.rows.format import ALWAYS, Field, RowFormat

#: They say which socket and connection a row is about.
_IDENTITY: Final = (
    "socket.slot",
    "socket.generation",
    "network.type",
    "network.local.address",
    "network.local.port",
    "network.peer.address",
    "network.peer.port",
    "user.id",
)
_TEXT: Final = "VS"


def _field(name: str, kind: str) -> Field[DeltaBatch]:
    if name == "socket.slot":
        return Field(name, lambda batch: row_values.slots(batch.columns[name]), ALWAYS)
    if name == "user.id":
        return Field(name, lambda batch: row_values.users(batch.columns, ""), ALWAYS)
    if name == "cgroup.index":
        return Field("cgroup.path", lambda batch: row_values.paths(batch.columns[name], batch), "")
    if name == "nat.index":
        return Field("nat", lambda batch: row_values.chains(batch.columns[name], batch), ALWAYS)
    if name == "entity.index":
        return Field("entity", lambda batch: row_values.entities(batch.columns[name], batch), ALWAYS)
    always = name in _IDENTITY
    values = row_values.any_addresses if always and kind[0] == "V" else row_values.plain_values(name, kind)
    default = ALWAYS if always else "" if kind[0] in _TEXT else 0
    return Field(name, lambda batch: values(batch.columns[name]), default)


_ERROR_TYPE: Final = Field[DeltaBatch](
    "error.type", lambda batch: row_values.error_types(batch.columns["error.errno"]), ""
)

#: All columns, so that one added to the schema is written without further ado.
DELTA_ROWS: Final = RowFormat[DeltaBatch](
    "delta",
    [
        *(_field(name, DELTA_COLUMNS[name]) for name in _IDENTITY),
        *(_field(name, kind) for name, kind in DELTA_COLUMNS.items() if name not in _IDENTITY),
        _ERROR_TYPE,
    ],
)
