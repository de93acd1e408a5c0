"""What moved in the rows of a batch, whole columns at a time; of a flow, from client to server and back."""

import numpy as np

from engine.batch import DeltaBatch
from engine.flow_batch import FlowBatch
from engine.flow_moved import Moved, moved_in_flows
from engine.sink import Batch


def moved(batch: Batch) -> Moved:
    """Of flows as ``engine.flow_moved`` counts them; of workloads the sums, without round trips."""
    columns = batch.columns
    if isinstance(batch, FlowBatch):
        return moved_in_flows(columns)
    if isinstance(batch, DeltaBatch):
        return Moved(*(columns[name] for name in Moved._fields))
    sums = (columns[name] for name in ("bytes", "reply_bytes", "retransmitted_segments"))
    return Moved(*sums, np.zeros(len(batch), np.uint64))
