"""Which rows sinks get: flows, the deltas that they are made of, or the workloads that they are summed up to."""

from typing import Final, Literal, get_args

RowStage = Literal["flows", "deltas", "workloads"]

ROW_STAGES: Final[tuple[RowStage, ...]] = get_args(RowStage)
