"""A window with rows of a container that nobody knows yet waits for the next one, and no longer."""

import asyncio
from collections.abc import Sequence

import pytest

from engine.config import Config, load_config
from engine.graphs import Pipeline
from model.enricher import Entity
from model.row_stage import RowStage
from tests.scripted_sink import ScriptedSink
from tests.scripted_source import ScriptedSource


class Waits:
    """Says that there are newcomers in these windows."""

    def __init__(self, *windows: int) -> None:
        self.windows = windows

    def among(self, _: Sequence[Entity], window: int) -> bool:
        """Whether it is one of them."""
        return window in self.windows


@pytest.fixture
def config() -> Config:
    """Nobody is asked who containers are."""
    return load_config(None, {"TAILRACE_DOCKER_ENABLED": "off", "TAILRACE_KUBERNETES_ENABLED": "off"})


@pytest.mark.parametrize("stage", ["flows", "workloads"])
async def test_its_rows_come_with_the_next_windows(config: Config, stage: RowStage) -> None:
    """In order, none twice; at the end what still waits is passed on. Deltas wait for nothing."""
    source, sink, deltas = ScriptedSource(), ScriptedSink(), ScriptedSink()
    stages: dict[str, RowStage] = {"kept": stage, "deltas": "deltas"}
    pipeline = Pipeline(config, {"kept": sink, "deltas": deltas}, source=source, stage=stages)
    pipeline._newcomers = Waits(1_002, 1_003, 1_005)  # type: ignore[assignment]  # what it asks of it
    running = asyncio.create_task(pipeline.run())
    expected = ([1_001], [1_001], [1_001, 1_002], [1_001, 1_002, 1_003, 1_004])
    for windows, shown in enumerate(expected, 1):
        source.second(3)
        await deltas.wait_for(windows)  # what the window gives the other sink was queued with it
        await pipeline._fan_out.drained()
        assert [batch.window for batch in sink.taken] == shown
    source.second(3)
    pipeline.stop()
    await running
    assert [batch.window for batch in sink.taken] == [1_001, 1_002, 1_003, 1_004, 1_005]
