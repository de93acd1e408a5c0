"""What moved in the rows of a batch, whole columns at a time; from client to server where rows have two ends."""

import numpy as np

from engine.batch import DeltaBatch
from engine.flow_batch import FlowBatch
from engine.flow_moved import Moved, moved_in_flows
from engine.schema import Column, flags
from engine.sink import Batch
from engine.workload_batch import WorkloadBatch


def moved(batch: Batch) -> Moved:
    """Of flows as ``engine.flow_moved`` counts them; of workloads the sums, and the mean round trip."""
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
