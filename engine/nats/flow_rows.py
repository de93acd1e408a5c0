"""Flow batches as public flow messages; a row says what its JSON line says (see ``model.kinds.flow_fields``)."""

from collections.abc import Iterator

import numpy as np

from model import subjects
from model.kinds.flow_batch import FlowBatch
from model.kinds.flow_fields import FLOW_ROWS
from model.rows.messages import RowPart, row_parts


def flow_parts(batch: FlowBatch, limit: int) -> list[RowPart]:
    """``batch`` as messages; see ``row_parts``."""
    packed = ((subject, FLOW_ROWS.packed(part)) for subject, part in _by_subject(batch))
    return row_parts("flow", batch, packed, limit)


def _by_subject(batch: FlowBatch) -> Iterator[tuple[str, FlowBatch]]:
    """The rows of each node: that of the client's end, else of the server's."""
    client, server = (batch.columns[f"{side}.node.index"] for side in ("client", "server"))
    index = np.where(client != 0, client, server)
    names = {number: subjects.flow(batch.nodes[number].name) for number in np.unique(index).tolist()}
    for name in dict.fromkeys(names.values()):
        same = [number for number, other in names.items() if other == name]
        yield name, batch if len(same) == len(names) else batch.take(np.isin(index, same))
