"""Sinks and names of a configuration that is read again."""

import msgspec
import pytest

from engine.config import Config, SinkConfig
from engine.graph import Graph
from engine.plugins.enrichers import configured_names
from engine.plugins.sinks import make_sinks
from engine.service.parts import ReloadedSinks, reloaded_names
from engine.sink_outlet import SinkOutlet
from enrichers.cluster import ClusterIdentity
from model.errors import UsageError
from model.ledger import Ledger
from sinks.configured import ConfiguredSink


def chosen(config: Config) -> dict[str, ConfiguredSink]:
    return make_sinks(config.sinks, config.stage)


SINK = SinkConfig("jsonl", {"path": "-"}, where="port:5432", fields="brief")


def test_sinks_that_are_configured_alike_are_equal() -> None:
    """Those alone go on at a reload: their settings, rows, filter, fields and limits are the same."""
    made = chosen(Config(sinks=[SINK]))
    assert made == chosen(Config(sinks=[SINK]))
    for name, value in {
        "where": "port:5433",
        "fields": "*",
        "stage": "deltas",
        "settings": {"path": "/x"},
    }.items():
        changed = msgspec.structs.replace(SINK, **{name: value})
        assert made != chosen(Config(sinks=[changed])), name


async def test_rows_that_nobody_makes_need_a_restart() -> None:
    """What sums flows up is part of the graph only if a sink wanted that at the start."""
    config = Config(sinks=[SINK])
    reload = ReloadedSinks(SinkOutlet(Graph(Ledger()), chosen(config), waits=False), config, chosen)
    with pytest.raises(UsageError, match="nobody makes workloads now: restart Tailrace"):
        reload(Config(sinks=[SinkConfig("jsonl")], stage="workloads"))


async def test_new_names_are_given_from_then_on() -> None:
    """The version grows, so that addresses that were looked up before are looked up again."""
    cluster = ClusterIdentity([configured_names(Config(names={"10.0.0.0/8": "old"}))])
    assert cluster.by_address("10.1.1.1", 0) == {"service.name": "old"}
    before = cluster.version
    await reloaded_names(cluster)(Config(names={"10.0.0.0/8": "new"}))()
    assert cluster.by_address("10.1.1.1", 0) == {"service.name": "new"}
    assert cluster.version > before
    with pytest.raises(UsageError, match=r"names\.no"):
        reloaded_names(cluster)(Config(names={"no": "network"}))
