"""Every subject, topic and stream of Tailrace on NATS; ``docs/subjects.md`` is its page for users.

Node names become one token: what is not a letter, a digit or ``-`` is written ``=XX``.
"""

import re
from typing import Final, NamedTuple

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


class Public(NamedTuple):
    """Rows that anybody may read: what they are called, the beginning of their subjects, and their stream.

    :param kind: as their messages say it.
    """

    rows: str
    kind: str
    subject: str
    stream: str


PUBLIC_FLOWS: Final = Public("flows", "flow", FLOWS, FLOW_STREAM)
PUBLIC_WORKLOADS: Final = Public("workloads", "workload", WORKLOADS, WORKLOAD_STREAM)


def flow(node: str) -> str:
    """Where the flows of a node's clients are published, and those of its servers whose client has no node."""
    return f"{FLOWS}.{token(node) or NOBODY}"


def workload(namespace: str, name: str) -> str:
    """Where a client workload's rows are published; without a name those of clients that have but an address."""
    return f"{WORKLOADS}.{token(namespace) or NOBODY}.{token(name) or NOBODY}"


def heartbeat(node: str) -> str:
    """Where a node says each second that it lives, and how."""
    return f"{NODES}.{token(node)}"


def rewrites(node: str) -> str:
    """Where a node announces its NAT entries."""
    return f"{NAT}.{token(node)}"


def dead(topic: str) -> str:
    """Where messages of a topic go that cannot be read."""
    return f"{DEAD}.{token(topic)}"
