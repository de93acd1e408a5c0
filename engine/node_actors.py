"""The actors of a node, from frames to messages: which they are, and what each is made of."""

from dataclasses import dataclass
from typing import Final

from actors.items import PlainStages
from actors.nat.nat_resolver import NatResolver
from actors.nat.table import NatTable
from actors.node.drops import NodeDrops
from actors.node.enricher import NodeEnricher
from actors.node.frames import Frames
from actors.node.messages import Messages, Partitions
from actors.node.owners import WhoIs
from actors.node.receivers import Receivers
from actors.node.socket_state import SocketState
from engine.actor import ActorPlace
from engine.config import Config
from engine.graph import Graph
from engine.plugins.probes import select
from model.frame_source import FrameSource
from model.ledger import Ledger

#: The beginnings of the names of stages behind the messages, in the same process.
_LATER: Final = ("join", "workloads", "listening", "endpoints", "sink.")


@dataclass(frozen=True)
class NodeActors:
    """In the order in which data meets them."""

    frames: ActorPlace
    sockets: ActorPlace
    nat: ActorPlace
    enricher: ActorPlace
    receivers: ActorPlace
    messages: ActorPlace


def node_actors(
    graph: Graph,
    config: Config,
    source: FrameSource,
    who: WhoIs | None = None,
    entries: NatTable | None = None,
    partitions: Partitions | None = None,
) -> NodeActors:
    """Adds them to a graph.

    :param who: knows processes and containers; nobody is named without.
    :param entries: the NAT table, where somebody else uses it too.
    :param partitions: of the bus that other processes read; without one the messages stay in this process.
    """
    origin, ledger, probes = source.origin, graph.ledger, select(config)
    if entries is None:
        entries = nat_table(config, ledger)
    messages = Messages(ledger, partitions, lambda: {} if source.recorded else later_stages(ledger))
    return NodeActors(
        frames=graph.actor("frames", Frames(ledger, probes.event_types)),
        sockets=graph.actor("sockets", SocketState(origin, ledger)),
        nat=graph.actor("nat", NatResolver(origin.slots, entries, ledger)),
        enricher=graph.actor("enricher", NodeEnricher(origin.slots, who)),
        receivers=graph.actor("receivers", Receivers(probes.receivers(), ledger, [NodeDrops()])),
        messages=graph.actor("messages", messages),
    )


def nat_table(config: Config, ledger: Ledger, *, announces: bool = False) -> NatTable:
    """The NAT table of a node, or what an engine knows of those of all nodes.

    :param announces: whether other nodes are to be told of entries, once a window.
    """
    nat, stage = config.nat, ledger.stage("nat", "entries")
    return NatTable(nat.entries, stage, announces=announces, udp_entries=nat.udp_entries)


def later_stages(ledger: Ledger) -> PlainStages:
    """The stages that follow in this process: how far they are depends on the moment."""
    return {name: stage.as_dict() for name, stage in ledger.stages.items() if name.startswith(_LATER)}
