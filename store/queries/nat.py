"""The ways that connections took through NAT."""

from collections.abc import Sequence

import numpy as np

from store.queries.groups import workload_key
from store.queries.listings import NatAnswer, NatChain, NatHop
from store.queries.parameters import NatParameters
from store.queries.scope import Scope
from store.queries.tables import selected_rows
from store.reading import ChainHop


def nat_answer(scope: Scope, asked: NatParameters) -> NatAnswer:
    """Ways of the edges that are meant, those with most connections first."""
    rows = selected_rows(scope, asked.select, asked.edge)
    side = scope.pairs.now
    mine = np.flatnonzero(np.isin(side.pairs, rows))
    pair_of = dict(zip(side.edges.ids[mine].tolist(), side.pairs[mine].tolist(), strict=True))
    chains = scope.store.chains(scope.when.window, np.array(list(pair_of), np.int64))
    owners, rewriter = _owners(scope), _only_reporter(scope)
    order = np.lexsort((np.arange(len(chains)), -chains.connections))[: asked.limit]
    pairs, names = scope.pairs, scope.groups.names
    found = []
    for place in order.tolist():
        row = pair_of[int(chains.edges[place])]
        found.append(
            NatChain(
                edge=pairs.edge_id(row),
                client=names[int(pairs.clients[row])].key,
                server=names[int(pairs.servers[row])].key,
                hops=_hops(chains.hops[place], owners, rewriter),
                flows=int(chains.connections[place]),
                both_ends=int(chains.both_ends[place]),
                bytes=int(chains.bytes[place]),
                reply_bytes=int(chains.reply_bytes[place]),
                unaccounted_bytes=int(chains.unaccounted_bytes[place]),
                first_s=scope.when.second(int(chains.first_s[place])),
                last_s=scope.when.second(int(chains.last_s[place])),
            )
        )
    return NatAnswer(found, len(chains))


def _hops(hops: Sequence[ChainHop], owners: dict[str, str], rewriter: str) -> list[NatHop]:
    """Each with who made it: the one before says who rewrote it.

    :param rewriter: where nothing says it.
    """
    by = ["", *(hop.rewriter or rewriter for hop in hops[:-1])]
    return [
        NatHop(
            src=hop.source,
            dst=_endpoint(hop.destination, hop.destination_port),
            rewritten_by=rewriter,
            service=owners.get(hop.destination, ""),
        )
        for hop, rewriter in zip(hops, by, strict=True)
    ]


def _endpoint(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _only_reporter(scope: Scope) -> str:
    """A rewriting is known from whoever reports: it did it, if it is the only one; else empty."""
    reporters = scope.store.reporters(scope.when.window)
    return reporters[0] if len(reporters) == 1 else ""


def _owners(scope: Scope) -> dict[str, str]:
    """Address -> the workload that had it in the window; the one that was seen last."""
    workloads, instances = scope.groups.workloads, scope.instances
    places = workloads.rows(instances.workloads).tolist()
    found: dict[str, str] = {}
    for row in np.argsort(instances.last_s, kind="stable").tolist():
        if address := instances.parts[row].address:
            found[address] = workload_key(workloads.parts[places[row]])
    return found
