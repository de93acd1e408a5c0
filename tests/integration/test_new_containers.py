"""A window with rows of a container that nobody knows yet waits for the next one, and no longer."""

import asyncio
from collections.abc import Sequence

import pytest

from engine import graphs, join_actors
from engine.config import Config, load_config
from engine.role import Role
from model.enricher import Entity
from tests.configured import configured
from tests.eventually import eventually
from tests.scripted_sink import ScriptedSink
from tests.scripted_source import ScriptedSource


class Waits:
    """Says that there are new containers in these windows."""

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
async def test_its_rows_come_with_the_next_windows(
    config: Config, stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In order, none twice; at the end what still waits is passed on. Deltas wait for nothing."""
    monkeypatch.setattr(join_actors, "NewContainers", lambda _: Waits(1_002, 1_003, 1_005))
    source, sink, deltas = ScriptedSource(), ScriptedSink(), ScriptedSink()
    role = graphs.run(
        config, configured({"kept": sink, "deltas": deltas}, {"kept": stage, "deltas": "deltas"}), source
    )
    running = asyncio.create_task(role.run())
    expected = ([1_001], [1_001], [1_001, 1_002], [1_001, 1_002, 1_003, 1_004])
    for windows, shown in enumerate(expected, 1):
        source.second(3)
        await eventually(lambda: handed_on(role) == (windows, len(shown)))  # noqa: B023 - called at once
        await sink.wait_for(len(shown))
        assert [batch.window for batch in sink.taken] == shown
    source.second(3)
    role.stop()
    await running
    assert [batch.window for batch in sink.taken] == [1_001, 1_002, 1_003, 1_004, 1_005]
    assert [batch.window for batch in deltas.taken] == [1_001, 1_002, 1_003, 1_004, 1_005]


def handed_on(role: Role) -> tuple[int, int]:
    """Windows that the hold took, and how many it gave."""
    windows = role.graph.statistics()["windows"]
    return windows.received, windows.sent
