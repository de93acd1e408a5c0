"""Which enrichers say who is at the ends of connections: of this node, and beyond it."""

from engine.config import Config
from engine.enricher import Enricher
from enrichers.cluster import ClusterIdentity
from enrichers.names import ConfiguredNames
from enrichers.node import NodeIdentity
from enrichers.reverse_dns import ReverseDns


def cluster_identity(config: Config, node: NodeIdentity | None = None) -> ClusterIdentity:
    """What an engine asks, or a node for itself: the surest first.

    :param node: whose containers' addresses are known too.
    """
    enrichers: list[Enricher] = []
    if config.kubernetes.enabled != "off":
        # slow to import, and needed by few
        from enrichers.kubernetes import Kubernetes
        from enrichers.kubernetes_access import is_wanted

        if is_wanted(config.kubernetes):
            enrichers.append(Kubernetes(config.kubernetes))
    if node:
        enrichers.append(node.containers)
    enrichers.append(ConfiguredNames(config.names))
    enrichers.append(ReverseDns(enabled=config.dns.reverse, entries=config.dns.entries))
    return ClusterIdentity(enrichers)
