"""Which enrichers say who is at the ends of connections: of this node, and beyond it."""

from engine.config import Config
from enrichers.cluster import ClusterIdentity
from enrichers.names import ConfiguredNames
from enrichers.node import NodeIdentity
from enrichers.reverse_dns import ReverseDns
from model.enricher import Enricher


def cluster_identity(config: Config, node: NodeIdentity | None = None) -> ClusterIdentity:
    """What an engine asks, or a node for itself: the surest first.

    :param node: whose containers' addresses are known too.
    """
    enrichers: list[Enricher] = []
    if config.kubernetes.enabled != "off":
        # slow to import, and needed by few
        from enrichers.kubernetes.access import is_wanted
        from enrichers.kubernetes.enricher import Kubernetes

        if is_wanted(config.kubernetes):
            enrichers.append(Kubernetes(config.kubernetes))
    if node:
        enrichers.append(node.containers)
    enrichers.append(ConfiguredNames(config.names))
    enrichers.append(ReverseDns(enabled=config.dns.reverse, entries=config.dns.entries))
    return ClusterIdentity(enrichers)
