"""A window with rows of a container that nobody knows yet waits for the next one, and no longer."""

import asyncio
from collections.abc import Sequence

import pytest

from engine.config import Config, load_config
from engine.enricher import Entity
from engine.topology import Pipeline
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
async def test_its_rows_come_with_the_next_windows(config: Config, stage: str) -> None:
    """In order, none twice; at the end what still waits is passed on."""
    source, sink = ScriptedSource(), ScriptedSink()
    pipeline = Pipeline(config, {"kept": sink}, source=source, stage=stage)  # type: ignore[arg-type]  # one of them
    pipeline._newcomers = Waits(1_002, 1_003, 1_005)  # type: ignore[assignment]  # what it asks of it
    running = asyncio.create_task(pipeline.run())
    for expected in ([1_001], [1_001], [1_001, 1_002], [1_001, 1_002, 1_003, 1_004]):
        source.second(3)
        await sink.wait_for(len(expected))
        assert [batch.window for batch in sink.taken] == expected
    source.second(3)
    pipeline.stop()
    await running
    assert [batch.window for batch in sink.taken] == [1_001, 1_002, 1_003, 1_004, 1_005]
