"""Which rows sinks get: flows, or the deltas that they are made of."""

from typing import Final, Literal, get_args

RowStage = Literal["flows", "deltas"]

ROW_STAGES: Final[tuple[RowStage, ...]] = get_args(RowStage)
