"""The actors from deltas to sinks: which they are, and what each is made of, in one process and in an engine."""

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from typing import Any, Final

from actors.items import Chunk
from actors.join.identity import Cluster
from actors.join.joiner import Joiner
from actors.join.routes import RouteLimits, Routes
from actors.windows.completeness import DistributedCompleteness, LocalCompleteness
from actors.windows.cross_node import CrossNode
from actors.windows.hold import WindowHold
from actors.windows.new_containers import NewContainers
from actors.windows.own_ledger import OwnLedger
from actors.workloads.endpoints import Endpoints
from actors.workloads.listening import Listening
from actors.workloads.workloads import Workloads
from engine.actor import ActorPlace, OnFirstItem, OutletPlace, Place
from engine.config import Config
from engine.graph import Graph, Prepare
from engine.learnt_routes import LearntRoutes
from engine.nats.address import connection_of
from engine.nats.nat_entries import NatFeed
from engine.node_actors import nat_table
from engine.plugins.enrichers import cluster_identity
from engine.service.parts import reloaded_names
from engine.sink_outlet import SinkOutlet
from model.frame_source import Origin
from model.kinds.endpoint import ENDPOINT
from model.kinds.listener import LISTENER
from model.kinds.query import QUERY
from model.kinds.request import REQUEST
from model.kinds.workload import WORKLOAD
from sinks.configured import ConfiguredSink

#: Who joins in an engine.
ENGINE: Final = "engine"
#: Connections that an engine can know at once.
MOST_FLOWS: Final = 1 << 24


@dataclass(frozen=True)
class JoinActors:
    """In the order in which data meets them."""

    windows: ActorPlace
    joiner: ActorPlace


def sink_outlet(
    graph: Graph,
    sinks: Mapping[str, ConfiguredSink],
    *,
    waits: bool,
    reload: Callable[[SinkOutlet], Prepare] | None = None,
) -> tuple[OutletPlace, set[str]]:
    """Adds the sinks to a graph.

    :param waits: for sinks that are slow.
    :param reload: makes what takes over other sinks, where the configuration can be read again.
    :return: the place, and the rows that any of them wants.
    """
    outlet = SinkOutlet(graph, sinks, waits=waits)
    if reload:
        graph.reloads.append(reload(outlet))
    graph.service(outlet.opened())
    graph.task(outlet.acknowledge)
    return graph.outlet("fan_out", outlet), outlet.wanted


def summed(graph: Graph, config: Config, wanted: Set[str], joined: ActorPlace) -> ActorPlace:
    """Adds what sums flows and requests up to a graph, behind the joiner.

    :param wanted: rows that any sink wants.
    :return: who has all rows.
    """
    if WORKLOAD.plural in wanted:
        joined = joined >> graph.actor("workloads", Workloads(graph.ledger, config.workloads.pairs))
    if ENDPOINT.plural in wanted:
        joined = joined >> graph.actor("endpoints", Endpoints(graph.ledger, config.workloads.endpoints))
    return joined


def listened(graph: Graph, wanted: Set[str], messages: Place, sinks: OutletPlace) -> None:
    """Adds what makes rows of workloads of rows of listeners to a graph, beside what sums up flows.

    :param wanted: rows that any sink wants.
    :param messages: hands on those of nodes.
    """
    if WORKLOAD.plural in wanted:
        messages.where(_is_listener) >> graph.actor("listening", Listening(graph.ledger)) >> sinks


def _is_listener(item: Any) -> bool:
    return isinstance(item, Chunk) and item.batch.kind is LISTENER


def local_join(
    graph: Graph, config: Config, origin: Origin, wanted: Set[str], cluster: Cluster | None = None
) -> JoinActors:
    """Adds those of one process to a graph: a second is complete with the node's last message of it.

    :param wanted: rows that any sink wants.
    """
    complete = LocalCompleteness(NewContainers(cluster))
    routes = _routes(graph, config, wanted)
    joiner = Joiner(
        origin.node,
        origin.boot,
        graph.ledger,
        config.join.flows,
        cluster,
        routes=routes,
        queries=QUERY.plural in wanted,
    )
    return JoinActors(
        windows=graph.actor("windows", WindowHold(complete)),
        joiner=graph.actor("joiner", joiner),
    )


def _routes(graph: Graph, config: Config, wanted: Set[str]) -> Routes | None:
    """What names the routes of requests, where a sink wants their rows, or what these are summed up to."""
    if not wanted & {REQUEST.plural, ENDPOINT.plural}:
        return None
    http, stage = config.http, graph.ledger.stage("join", "rows")
    limits = RouteLimits(http.routes, http.routes_of_service, http.children)
    if graph.recorded or not http.learnt:
        return Routes(http.rules, limits, stage)
    learnt = LearntRoutes(http.learnt)
    graph.task(learnt.run)
    graph.closing(learnt.save)
    return Routes(http.rules, limits, stage, learnt.read(), learnt.keep)


def engine_join(
    graph: Graph,
    config: Config,
    url: str,
    boot: str,
    wanted: Set[str],
    partitions: Callable[[], int],
    all_back_at: Callable[[], float],
) -> JoinActors:
    """Adds those of an engine: a second waits for all nodes, and follows what other nodes say of rewriting.

    :param boot: since when it joins.
    :param wanted: rows that any sink wants.
    :param partitions: gives their number, once a message has come.
    :param all_back_at: gives when all nodes may have come back from the last outage; of the monotonic clock.
    """
    ledger, settings = graph.ledger, config.join
    rewrites = nat_table(config, ledger)
    cluster = cluster_identity(config)
    graph.service(NatFeed(connection_of(url), rewrites).running())
    graph.identify(cluster)
    graph.reloads.append(reloaded_names(cluster))
    cross_node = CrossNode(rewrites, partitions, ledger.stage("join", "rows"))
    complete = DistributedCompleteness(settings.wait_seconds, all_back_at)

    routes = _routes(graph, config, wanted)

    def joiner() -> Joiner:
        flows = min(settings.flows * partitions(), MOST_FLOWS)
        return Joiner(ENGINE, boot, ledger, flows, cluster, routes=routes, queries=QUERY.plural in wanted)

    return JoinActors(
        windows=graph.actor("windows", WindowHold(complete, cross_node)),
        joiner=graph.actor("joiner", OnFirstItem(joiner)),
    )


def own_ledger(graph: Graph, boot: str) -> ActorPlace:
    """Adds what puts the ledger of an engine ahead of each window to a graph."""
    return graph.actor("ledger", OwnLedger(graph.ledger, ENGINE, boot))
