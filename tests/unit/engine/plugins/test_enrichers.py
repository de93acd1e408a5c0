"""Enrichers that the configuration lists."""

from importlib.metadata import Distribution, EntryPoint, EntryPoints

import pytest

from engine.config import Config, EnricherConfig
from engine.plugins import registry
from engine.plugins.enrichers import other_enrichers
from model.errors import UsageError
from model.settings import PluginConfig
from tests.scripted_enricher import ScriptedEnricher


class Shelves(ScriptedEnricher):
    """One with the constructor of a plug-in."""

    Config = PluginConfig

    def __init__(self, _: PluginConfig) -> None:
        super().__init__("shelves", {})


@pytest.fixture
def shelves(monkeypatch: pytest.MonkeyPatch) -> None:
    """An enricher that came with Tailrace itself: a file and an entry point, and nothing else."""
    ours, group = registry._entry_points, registry.ENRICHER.group
    entry = EntryPoint("shelves", f"{__name__}:Shelves", group)
    vars(entry).update(dist=Distribution.from_name(registry.OWN))
    monkeypatch.setattr(
        registry,
        "_entry_points",
        lambda name: EntryPoints([*ours(name), entry]) if name == group else ours(name),
    )


@pytest.mark.usefixtures("shelves")
def test_one_of_tailrace_needs_its_entry_point_alone() -> None:
    """It is listed like those of others; those that have a section of the configuration are always there."""
    (made,) = other_enrichers(Config(enrichers=[EnricherConfig("shelves")]))
    assert made.name == "shelves"
    with pytest.raises(UsageError, match="enricher docker is always there"):
        other_enrichers(Config(enrichers=[EnricherConfig("docker")]))
