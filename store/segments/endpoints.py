"""What requests were of, as rows of endpoints tell it: ids, and what each stands for; whole columns at a time."""

from typing import Any, Final

import numpy as np

from model.batch import Batch
from model.kinds.request import HttpMethod
from store.ids import Names, mixed_ids
from store.segments.columns import Column

#: Bits of an endpoint's id that are its own; those above are of its edge: rows of one edge lie together.
_OWN_BITS: Final = 40
_METHODS: Final = {method.value: method.name for method in HttpMethod}


def endpoint_ids(batch: Batch, edges: np.ndarray, names: Names) -> np.ndarray:
    """Of each row; above 0, int64.

    Two of 10,000 endpoints of an edge have the same id with a probability of 1 in 20,000.

    :param edges: the id of each row's edge.
    """
    columns, tables = batch.columns, batch.tables
    of_texts = [
        names.ids([("endpoint", text) for text in tables["routes"]])[columns["route.index"]],
        names.ids([("endpoint", text) for text in tables["hosts"]])[columns["host.index"]],
        names.ids([("endpoint", *via) for via in tables["vias"]])[columns["via.index"]],
    ]
    short = [_number(columns[name]) for name in ("network.protocol.version", "rpc.system")]
    numbers = [columns[f"{name}_code"] for name in ("http.response.status", "rpc.grpc.status")]
    own = mixed_ids(edges, *of_texts, *short, *numbers, columns["http.request.method"])
    found: np.ndarray = np.maximum(edges >> _OWN_BITS << _OWN_BITS | own & ((1 << _OWN_BITS) - 1), 1)
    return found


def _number(texts: Any) -> np.ndarray:
    """Texts of up to 8 bytes as numbers."""
    numbers: np.ndarray = texts.astype("S8").view("<u8")
    return numbers


def endpoint_rows(batch: Batch, rows: np.ndarray) -> dict[str, Column]:
    """What the endpoints of some rows are (``store.measures.ENDPOINT_PARTS``)."""
    columns = {name: column[rows] for name, column in batch.columns.items()}
    vias = [batch.tables["vias"][place] for place in columns["via.index"].tolist()]
    return {
        "protocol": [text.decode(errors="replace") for text in columns["network.protocol.version"].tolist()],
        "method": [_METHODS.get(code, "") for code in columns["http.request.method"].tolist()],
        "route": _texts(batch, "routes", columns["route.index"]),
        "host": _texts(batch, "hosts", columns["host.index"]),
        "status": columns["http.response.status_code"],
        "rpc": [text.decode(errors="replace") for text in columns["rpc.system"].tolist()],
        "grpc_status": columns["rpc.grpc.status_code"],
        "via": [via.name for via in vias],
        "cluster": [via.cluster for via in vias],
    }


def _texts(batch: Batch, table: str, index: Any) -> list[str]:
    return [batch.tables[table][place] for place in index.tolist()]
