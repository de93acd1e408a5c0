"""Which rows sinks get: flows, the deltas that they are made of, or the workloads that they are summed up to."""

from collections.abc import Iterable, Mapping
from typing import Final, Literal, get_args

RowStage = Literal["flows", "deltas", "workloads"]

ROW_STAGES: Final[tuple[RowStage, ...]] = get_args(RowStage)


def stages_of(stage: RowStage | Mapping[str, RowStage], sinks: Iterable[str]) -> dict[str, RowStage]:
    """What each sink gets, if all get the same or it is said of each."""
    return dict.fromkeys(sinks, stage) if isinstance(stage, str) else dict(stage)
