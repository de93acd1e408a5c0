"""The graph of each role, side by side: the lines with ``>>`` are the way of the data.

Each actor takes items from a bounded inbox and hands on what it makes of them (``engine/actor.py``); when an inbox is
full, those before it wait. ``engine/node_actors.py`` and ``engine/join_actors.py`` say what each actor is made of.
Imports stand in the functions: no role loads what it does not run.
"""

import os
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from actors.items import Announcement, Chunk, Message, Unreadable, Window, WindowEnd
from engine.config import Config
from engine.graph import Graph
from engine.node_actors import nat_table, node_actors
from engine.plugins.probes import select
from engine.role import Role
from model.errors import UsageError
from model.frame_source import FrameSource
from model.kinds.delta import DELTA
from model.kinds.drop import DROP
from model.ledger import Ledger
from model.subjects import DELTAS, ENGINES

if TYPE_CHECKING:
    from engine.graph import Prepare
    from engine.sink_outlet import SinkOutlet
    from sinks.configured import ConfiguredSink
    from store.reading import Store
    from web.incident_answers import IncidentSource

#: Messages that an engine holds at most; past it no more are read until some have been joined.
HELD_MESSAGES: Final = 4096
#: Messages of deltas on their way to the sinks of an engine at most.
DELTA_MESSAGES: Final = 16
#: Seconds between looks at what waits for no more.
TICK_SECONDS: Final = 0.05
#: Seconds that an engine gets to join what it holds, and its sinks to make it safe, when it is stopped; then half a
#: second is left for sinks to close. The consumer's ``stop_timeout`` begins at the same time.
ENGINE_FLUSH_SECONDS: Final = 1.25

#: Rows that are made of deltas; those of kinds that nobody joins go to the sinks as they come.
JOINED: Final = frozenset({"flows", "requests", "queries", "workloads", "endpoints", "drops"})
#: Of these, what the detector looks at.
WATCHED: Final = frozenset({"workloads", "endpoints"})
#: By the name they have in the ledger.
Sinks = Mapping[str, "ConfiguredSink"]


class LiveSource(FrameSource, Protocol):
    """A source that can say how it is."""

    def state(self) -> dict[str, Any]:
        """``clock`` (offset_ns, steps) and ``capabilities`` (what serves each feature of the probe)."""


def run(
    config: Config,
    sinks: Sinks,
    source: FrameSource | None = None,
    ledger: Ledger | None = None,
    reload: "Callable[[SinkOutlet], Prepare] | None" = None,
    *,
    serves_map: bool = False,
) -> Role:
    """``tailrace run``, ``record`` and ``selftest``: everything in one process.

    :param source: of frames; this machine's kernel by default.
    :param reload: makes what takes over the sinks of a configuration that is read again.
    :param serves_map: whether it serves the store, which one of the sinks writes.
    """
    from engine.faust_runner import FaustRunner
    from engine.join_actors import listened, local_join, sink_outlet, summed
    from engine.map_service import map_of_this_machine
    from engine.plugins.enrichers import cluster_identity, node_identity
    from engine.service.parts import reloaded_names
    from probes.kernel_source import KernelSource

    graph, who = Graph(ledger or Ledger()), node_identity(config)
    incidents: IncidentSource | None = None
    if source is None:
        source = kernel_source = KernelSource(select(config))
        graph.probes = lambda: kernel_source.state()["capabilities"]
    fan_out, wanted = sink_outlet(graph, sinks, waits=False, reload=reload)
    cluster = cluster_identity(config, who)
    graph.identify(who, cluster)
    graph.reloads.append(reloaded_names(cluster))

    kernel, frames = graph.source("kernel", source), graph.topic("tailrace.frames")
    node = node_actors(graph, config, source, who)
    kernel >> frames >> node.frames >> node.sockets >> node.nat >> node.enricher
    node.enricher >> node.receivers >> node.messages
    node.messages.where(_is_other) >> fan_out
    listened(graph, wanted, node.messages, fan_out)
    if "deltas" in wanted:
        node.messages.where(_is_delta) >> fan_out
    made = wanted | WATCHED if config.trouble.enabled == "on" else wanted
    if made & JOINED:
        join = local_join(graph, config, source.origin, made, cluster)
        flows = node.messages.where(_is_joined) >> join.windows >> join.joiner
        rows = summed(graph, config, made, flows)
        rows >> fan_out
        if config.trouble.enabled == "on":
            from engine.trouble import watch_trouble

            incidents = watch_trouble(graph, config, rows, node.messages)
    if serves_map:
        graph.service(map_of_this_machine(config, graph, incidents))
    return Role(graph, FaustRunner("tailrace", config.bus.url), config.metrics.listen)


def serve(config: Config, store: "Store", bus: str = "") -> Role:
    """``tailrace serve``: the map of a store that others write.

    :param bus: of engines that keep incidents; empty: a ``tailrace run`` of this machine does.
    """
    from engine.kept_incidents import ClusterIncidents, ReadIncidents
    from engine.map_service import map_served
    from engine.nats.incident_requests import IncidentRequests
    from engine.runner import AsyncioRunner

    graph = Graph(Ledger())
    incidents: IncidentSource | None
    if bus:
        requests = IncidentRequests(bus)
        graph.task(requests.run)
        incidents = ClusterIncidents(requests)
    else:
        read = ReadIncidents(Path(config.trouble.path))
        incidents = read if read.there else None
    graph.service(map_served(config, graph, lambda: store, incidents, required=True))
    return Role(graph, AsyncioRunner(), config.metrics.listen)


def replay(
    config: Config,
    sinks: Sinks,
    source: FrameSource,
    ledger: Ledger | None = None,
) -> Role:
    """``tailrace replay``: what comes out depends on the recording alone, and sinks are waited for.

    Of the enrichers only those of other packages are asked, if the configuration lists any.
    """
    from engine.faust_runner import FaustRunner
    from engine.join_actors import listened, local_join, sink_outlet, summed
    from engine.plugins.enrichers import recorded_identity

    graph = Graph(ledger or Ledger(), recorded=True)
    fan_out, wanted = sink_outlet(graph, sinks, waits=True)
    others = recorded_identity(config)
    graph.identify(*others)

    recording, frames = graph.source("recording", source), graph.topic("tailrace.frames")
    node = node_actors(graph, config, source)
    recording >> frames >> node.frames >> node.sockets >> node.nat >> node.enricher
    node.enricher >> node.receivers >> node.messages
    node.messages.where(_is_other) >> fan_out
    listened(graph, wanted, node.messages, fan_out)
    if "deltas" in wanted:
        node.messages.where(_is_delta) >> fan_out
    made = wanted | WATCHED if config.trouble.enabled == "on" else wanted
    if made & JOINED:
        join = local_join(graph, config, source.origin, made, *others)
        flows = node.messages.where(_is_joined) >> join.windows >> join.joiner
        rows = summed(graph, config, made, flows)
        rows >> fan_out
        if config.trouble.enabled == "on":
            from engine.trouble import watch_recorded_trouble

            watch_recorded_trouble(graph, config, rows, node.messages)
    return Role(graph, FaustRunner("tailrace", config.bus.url), config.metrics.listen)


def agent(config: Config, url: str, source: LiveSource) -> Role:
    """``tailrace agent``: the node's half, whether the bus is there or not."""
    from engine.bus_outlets import NodeOutlet
    from engine.nats.node_publisher import NodePublisher
    from engine.plugins.enrichers import node_identity
    from engine.runner import AsyncioRunner

    graph, who = Graph(Ledger()), node_identity(config)
    graph.probes = lambda: source.state()["capabilities"]
    entries = nat_table(config, graph.ledger, announces=True)
    rows = graph.ledger.stage("outbox", "rows")
    publisher = NodePublisher(url, source.origin, config.agent, rows, entries.announce_again)
    graph.closing(publisher.close)
    graph.task(publisher.run)
    graph.bus = publisher.counts
    graph.identify(who)

    kernel = graph.source("kernel", source)
    node = node_actors(graph, config, source, who, entries, publisher)
    bus = graph.outlet("bus", NodeOutlet(publisher, source.origin, graph.ledger, source.state))
    kernel >> node.frames >> node.sockets >> node.nat >> node.enricher
    node.enricher >> node.receivers >> node.messages
    node.messages.only(Chunk, Announcement, WindowEnd) >> bus
    return Role(graph, AsyncioRunner(), config.metrics.listen)


def engine(
    config: Config, url: str, sinks: Sinks, reload: "Callable[[SinkOutlet], Prepare] | None" = None
) -> Role:
    """``tailrace engine``: the half behind the agents; any number of engines share the partitions.

    A message is acknowledged when all that was made of it is safe in the sinks.

    :param reload: as for ``run``.
    :raises UsageError: if some sinks want deltas, and others what they make.
    """
    from actors.windows.reader import Reader
    from engine.bus_outlets import DeadLetters
    from engine.faust_runner import FaustRunner
    from engine.join_actors import engine_join, listened, own_ledger, sink_outlet, summed

    graph = Graph(Ledger(), flush_seconds=ENGINE_FLUSH_SECONDS)
    fan_out, wanted = sink_outlet(graph, sinks, waits=True, reload=reload)
    watches = config.trouble.enabled == "on"
    if "deltas" in wanted and watches:
        raise UsageError("incidents are found in what deltas make", "give this engine no sink of deltas")
    made = wanted | WATCHED if watches else wanted
    if "deltas" in wanted and wanted & JOINED:
        raise UsageError("an engine hands on deltas, or what they make", "give all its sinks deltas, or none")
    runner = FaustRunner(ENGINES, url, HELD_MESSAGES if made & JOINED else DELTA_MESSAGES)
    graph.bus, once = runner.counts, Reader(graph.ledger)
    runner.transport.on_missed(once.missed)

    deltas, reader = graph.topic(DELTAS, shared=True), graph.actor("reader", once)
    dead_letters = graph.outlet("dead_letters", DeadLetters(partial(runner.transport.bury, DELTAS)))
    deltas >> reader
    reader.only(Unreadable) >> dead_letters
    reader.where(_is_other) >> fan_out
    listened(graph, wanted, reader, fan_out)
    if not made & JOINED:
        reader.where(_is_delta) >> fan_out
    else:
        boot = f"{time.time_ns() // 10**6:x}.{os.getpid()}"
        partitions = partial(runner.partitions, DELTAS)
        join = engine_join(graph, config, url, boot, made, partitions, runner.transport.all_back_at)
        reader.where(_is_joined) >> join.windows
        flows = join.windows.only(Window) >> join.joiner >> own_ledger(graph, boot)
        rows = summed(graph, config, made, flows)
        rows >> fan_out
        if watches:
            from engine.shared_trouble import watch_shared_trouble

            watch_shared_trouble(graph, config, url, rows, reader)
        graph.clock("clock", TICK_SECONDS) >> join.windows
        join.windows.only(Message) >> deltas  # rows whose connection is joined in another partition
    return Role(graph, runner, config.metrics.listen)


def _is_delta(item: Any) -> bool:
    return isinstance(item, Chunk) and item.batch.kind is DELTA


def _is_joined(item: Any) -> bool:
    return isinstance(item, Chunk) and item.batch.kind in (DELTA, DROP)


def _is_other(item: Any) -> bool:
    return isinstance(item, Chunk) and item.batch.kind not in (DELTA, DROP)
