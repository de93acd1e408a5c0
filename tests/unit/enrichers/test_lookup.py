"""An enricher that fails costs its own answers and nothing else."""

import logging
from typing import ClassVar

import pytest

from engine.config import Config
from engine.plugins.enrichers import node_identity
from enrichers import lookup as asking
from enrichers.cloud.config import CloudConfig
from enrichers.cluster import ClusterIdentity
from enrichers.docker.config import DockerConfig
from enrichers.names import ConfiguredNames, NamesConfig
from model.enricher import EnricherStatistics, Entity, KeyKind
from model.settings import PluginConfig


class Broken:
    """Raises whatever it is asked for."""

    Config: ClassVar[type[PluginConfig]] = PluginConfig
    name = "broken"
    kinds = frozenset(KeyKind)
    version = 0
    live = True

    async def start(self, node: str) -> None:
        """Nothing."""

    async def close(self) -> None:
        """Nothing."""

    def lookup(self, kind: KeyKind, value: str, at_ns: int) -> Entity | None:
        """Fails."""
        raise RuntimeError(value)

    def statistics(self) -> EnricherStatistics:
        """None."""
        return EnricherStatistics(0, 0, 0, 0, 0, 0.0)


def test_the_others_answer_and_it_is_said_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For an address, a container and a node."""
    monkeypatch.setattr(asking, "_complained", set())
    cluster = ClusterIdentity([Broken(), ConfiguredNames(NamesConfig({"10.0.0.0/8": "inside"}))])
    with caplog.at_level(logging.ERROR):
        assert cluster.by_address("10.0.0.1", 1) == {"service.name": "inside"}
        said = {"container.id": "c1", "host.name": "n1"}
        assert cluster.enriched(said, 1) == said
        assert cluster.awaits(said, 1)
    assert [record.message for record in caplog.records] == [
        "the enricher broken fails: what it knows is missing in flows"
    ]


def test_a_node_says_what_is_left() -> None:
    """Its place, where processes and containers fail."""
    node = node_identity(Config(docker=DockerConfig(enabled="off"), cloud=CloudConfig(zone="rack-7")))
    node.processes = node.containers = Broken()  # type: ignore[assignment]  # as if they had a fault
    assert node.attributes(7, 0, "/a.service", 1) == {"cloud.availability_zone": "rack-7"}
