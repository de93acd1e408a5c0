"""Every name of Tailrace on NATS: subjects, streams, buckets, keys; ``docs/subjects.md`` is its page for users.

Node names become one token: what is not a letter, a digit or ``-`` is written ``=XX``.
"""

import re
from dataclasses import dataclass
from typing import Final, NamedTuple

#: The prefix of all requests to JetStream.
API: Final = "$JS.API"

#: The group in which engines share the partitions.
ENGINES: Final = "tailrace-engine"

#: The Faust topic of deltas: records of partition P are published as ``tailrace.log.deltas.P.NODE``.
DELTAS: Final = "deltas"

#: Public flows: rows, for whoever subscribes.
FLOWS: Final = "tailrace.flow"
#: In the place of the node where neither end's is known; no node has this token.
NOBODY: Final = "_"
FLOW_STREAM: Final = "tailrace_flows"

#: Public workloads: rows, for whoever subscribes.
WORKLOADS: Final = "tailrace.workload"
WORKLOAD_STREAM: Final = "tailrace_workloads"

#: State of nodes: the last heartbeat of each is kept.
NODES: Final = "tailrace.node"
NODE_STREAM: Final = "tailrace_nodes"

#: NAT entries that a node keeps and others need.
NAT: Final = "tailrace.nat"
NAT_STREAM: Final = "tailrace_nat"

#: Messages that nobody could read.
DEAD: Final = "tailrace.dead"
DEAD_STREAM: Final = "tailrace_dead"


_PLAIN: Final = re.compile(r"[A-Za-z0-9-]")


def token(name: str) -> str:
    """The name with all that could mean something to NATS or to these names written as ``=XX``."""
    return "".join(c if _PLAIN.fullmatch(c) else "".join(f"={b:02X}" for b in c.encode()) for c in name)


def node_token(node: str) -> str:
    """What stands for a node in a subject; also for none."""
    return token(node) or NOBODY


def workload_token(namespace: str, name: str) -> str:
    """What stands for a workload; without a name for those that have but an address."""
    return f"{node_token(namespace)}.{node_token(name)}"


def flow(node: str) -> str:
    """Where the flows of a node's clients are published, and those of its servers whose client has no node."""
    return f"{FLOWS}.{node_token(node)}"


def workload(namespace: str, name: str) -> str:
    """Where a client workload's rows are published."""
    return f"{WORKLOADS}.{workload_token(namespace, name)}"


class Public(NamedTuple):
    """Rows that anybody may read.

    :param rows: what people call them: flows.
    :param kind: as their messages say it; empty where it is not known: any.
    :param subject: the beginning of their subjects.
    :param stream: that keeps them.
    """

    rows: str
    kind: str
    subject: str
    stream: str


def public_rows(plural: str, kind: str = "") -> Public:
    """Those of a kind that has no subjects of its own, also of one that nobody declared here."""
    return Public(plural, kind, f"tailrace.rows.{token(plural)}", f"tailrace_rows_{token(plural)}")


def heartbeat(node: str) -> str:
    """Where a node says each second that it lives, and how."""
    return f"{NODES}.{token(node)}"


def rewrites(node: str) -> str:
    """Where a node announces its NAT entries."""
    return f"{NAT}.{token(node)}"


def dead(topic: str) -> str:
    """Where messages of a topic go that cannot be read."""
    return f"{DEAD}.{token(topic)}"


class TopicPartition(NamedTuple):
    """A partition of a topic: equal to Faust's ``TP``, with the same hash, for who does without Faust."""

    topic: str
    partition: int


@dataclass(frozen=True, slots=True)
class LogNames:
    """The names of one log; logs of different names share a server and nothing else.

    A log ``tailrace`` keeps partition 0 of the topic ``deltas`` in the stream ``tailrace_deltas_0``, which takes
    the subject ``tailrace.log.deltas.0`` and all below it.
    """

    log: str

    @property
    def _log(self) -> str:
        return token(self.log)

    def stream(self, tp: TopicPartition) -> str:
        """The stream of a partition."""
        return f"{self._log}_{token(tp.topic)}_{tp.partition}"

    def subject(self, tp: TopicPartition, writer: str = "") -> str:
        """The subject of a partition's records; a writer with a name has one of its own below it."""
        plain = f"{self._log}.log.{token(tp.topic)}.{tp.partition}"
        return f"{plain}.{token(writer)}" if writer else plain

    def full(self, stream: str = "*") -> str:
        """Says that somebody waits for room in the stream."""
        return f"{self._log}.full.{stream}"

    def room(self, stream: str = "*") -> str:
        """Says that the stream has room again."""
        return f"{self._log}.room.{stream}"

    def news(self, group: str) -> str:
        """Says that something of a group changed."""
        return f"{self._log}.news.{token(group)}"

    @property
    def meta(self) -> str:
        """The bucket with the topics and the assignments."""
        return f"{self._log}_meta"

    @property
    def offsets(self) -> str:
        """The bucket with what the groups committed."""
        return f"{self._log}_offsets"

    @property
    def agents(self) -> str:
        """The bucket with who has which node name; its keys live for one lease."""
        return f"{self._log}_agents"

    def leases(self, group: str) -> str:
        """The bucket with the leases of a group; its keys live for one lease."""
        return f"{self._log}_leases_{token(group)}"

    @property
    def counts(self) -> str:
        """Where engines tell whoever keeps incidents what they counted."""
        return f"{self._log}.trouble.counts"

    @property
    def ill(self) -> str:
        """Where whoever keeps incidents tells engines which edges are ill."""
        return f"{self._log}.trouble.ill"

    @property
    def detector(self) -> str:
        """The bucket with what is usual for edges."""
        return f"{self._log}_detector"

    @property
    def incident_reads(self) -> str:
        """Where whoever keeps incidents is asked for them."""
        return f"{self._log}.incidents.read"

    @property
    def incident_changes(self) -> str:
        """Where whoever keeps incidents is told to acknowledge or silence some."""
        return f"{self._log}.incidents.change"

    @property
    def incidents(self) -> str:
        """The bucket with incidents, silences and what is still to be told."""
        return f"{self._log}_incidents"

    @property
    def incident_leases(self) -> str:
        """The bucket with who keeps incidents; its key lives for one lease."""
        return f"{self._log}_incident_leases"

    def topic(self, topic: str) -> str:
        """The key, in ``meta``, of the number of partitions."""
        return f"topic.{token(topic)}"

    def assignment(self, group: str) -> str:
        """The key, in ``meta``, of who reads what."""
        return f"group.{token(group)}"

    def offset(self, tp: TopicPartition, group: str) -> str:
        """The key, in ``offsets``, of what a group committed."""
        return f"{token(tp.topic)}.{tp.partition}.{token(group)}"

    def offsets_of_all(self, tp: TopicPartition) -> str:
        """The keys of what all groups committed of a partition."""
        return f"{token(tp.topic)}.{tp.partition}.*"


#: The key, in a bucket of leases, of the leader, and the start of those of members.
LEADER: Final = "leader"
MEMBER: Final = "member."
