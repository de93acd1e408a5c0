"""Which enrichers say who is at the ends of connections: of this node, and beyond it."""

from collections.abc import Sequence
from typing import Any, Final

from engine.config import Config
from engine.plugins.registry import ENRICHER, OWN, load, made, plugin_named
from engine.plugins.settings import checked
from enrichers.cluster import ClusterIdentity
from enrichers.kubernetes.access import is_wanted
from enrichers.names import NamesConfig
from enrichers.node import NodeIdentity
from model.enricher import Enricher
from model.errors import UsageError
from model.settings import PluginConfig

#: Where in the configuration the settings of those stand that are always there.
SECTIONS: Final = {
    "process": "process",
    "docker": "docker",
    "cloud": "cloud",
    "kubernetes": "kubernetes",
    "names": "names",
    "reverse_dns": "dns",
}


def node_identity(config: Config) -> NodeIdentity:
    """What a node asks about its own processes.

    :raises UsageError: if an enricher of another package cannot be had.
    """
    process, docker = _own("process", config.process), _own("docker", config.docker)
    return NodeIdentity(
        config.node_name, process, docker, _own("cloud", config.cloud), other_enrichers(config)
    )


def cluster_identity(config: Config, node: NodeIdentity | None = None) -> ClusterIdentity:
    """What an engine asks, or a node for itself: the surest first.

    :param node: whose containers' addresses are known too.
    :raises UsageError: if an enricher of another package cannot be had.
    """
    kubernetes = [_own("kubernetes", config.kubernetes)] if is_wanted(config.kubernetes) else []
    names, reverse_dns = configured_names(config), _own("reverse_dns", config.dns.of_addresses)
    if node is None:
        return ClusterIdentity([*kubernetes, names, *other_enrichers(config), reverse_dns])
    every = [*kubernetes, node.containers, names, *node.others, reverse_dns]
    return ClusterIdentity(every, config.node_name, shared=node.enrichers)


def configured_names(config: Config) -> Enricher:
    """What gives networks and addresses the names of the configuration.

    :raises UsageError: if a key of ``names`` is no network.
    """
    names: Enricher = _own("names", NamesConfig(config.names))
    return names


def recorded_identity(config: Config) -> list[ClusterIdentity]:
    """What a replay asks: enrichers of other packages, if there are any; ours would tell of this machine and now.

    :raises UsageError: if one cannot be had.
    """
    others = other_enrichers(config)
    return [ClusterIdentity(others, config.node_name)] if others else []


def other_enrichers(config: Config) -> Sequence[Enricher]:
    """Those that have no section of their own, as the configuration lists them.

    :raises UsageError: if one is not installed, cannot be loaded, has a section, or has a name or a setting that
        cannot be.
    """
    names = {"process", "container", "cloud", "kubernetes", "names", "reverse_dns"}
    found: list[Enricher] = []
    for place, wanted in enumerate(config.enrichers):
        plugin = plugin_named(ENRICHER, wanted.name)
        if plugin.package == OWN and plugin.name in SECTIONS:
            raise UsageError(f"enricher {plugin.name} is always there", "leave it out of `enrichers`")
        factory = load(plugin)
        settings = checked(plugin.title, factory.Config, wanted.settings, f"$.enrichers[{place}].settings")
        enricher: Enricher = made(plugin, factory, settings)
        if enricher.name in names:
            raise UsageError(f"{plugin.title} calls itself {enricher.name}, as another does", "leave one out")
        names.add(enricher.name)
        found.append(enricher)
    return found


def _own(name: str, config: PluginConfig) -> Any:
    """One of ours; its settings are a section of the configuration."""
    plugin = plugin_named(ENRICHER, name)
    return made(plugin, load(plugin), config)
