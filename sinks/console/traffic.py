"""What moved in the rows of a batch, whole columns at a time; from client to server where rows have two ends."""

import numpy as np

from model.kinds.delta import Column, flags
from model.kinds.delta_batch import DeltaBatch
from model.kinds.flow_batch import FlowBatch
from model.kinds.flow_traffic import Moved, moved_in_flows
from model.kinds.workload_batch import WorkloadBatch
from model.sink import Batch


def moved(batch: Batch) -> Moved:
    """Of flows as ``model.kinds.flow_traffic`` counts them; of workloads the sums, and the mean round trip."""
    columns = batch.columns
    if isinstance(batch, FlowBatch):
        return moved_in_flows(columns)
    if isinstance(batch, DeltaBatch):
        return Moved(*(columns[name] for name in Moved._fields))
    return Moved(
        columns["bytes"],
        columns["reply_bytes"],
        columns["retransmitted_segments"],
        columns["rtt_ns.sum"] // np.maximum(1, columns["connections.active"]),
    )


def lives(batch: Batch, life: str) -> Column:
    """How many connections were ``opened``, ``closed``, or ``failed``, by row."""
    if isinstance(batch, WorkloadBatch):
        return batch.columns[f"connections.{life}"]
    return flags(batch.columns, f"connection.{life}")
