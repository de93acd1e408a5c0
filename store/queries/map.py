"""The map: a neighbourhood of workloads, with the status of each and why it is there."""

from dataclasses import dataclass

import numpy as np

from model.errors import UsageError
from store.measures import Measures
from store.queries.answers import ChangeState, Edge, LeftOut, MapAnswer, Node, Quantiles, Status, Why
from store.queries.change import CHANGED, Changes, changes
from store.queries.columns import columns
from store.queries.dropped import dropped_text
from store.queries.edge_rows import edges_of
from store.queries.graph import Graph
from store.queries.neighborhood import Limits, Neighborhood, neighborhood, overview
from store.queries.pairs import Pairs, Sums
from store.queries.parameters import MapParameters, Rank
from store.queries.paths import with_paths
from store.queries.requested import took
from store.queries.scope import Scope
from store.queries.status import DEGRADED, FAILING, STATUSES, reasons, share_text

#: Servers that a client's status names at most.
_NAMED_SERVERS = 2


def map_of(scope: Scope, asked: MapParameters) -> MapAnswer:
    """The answer.

    :raises NotFoundError: if what is selected is not known.
    """
    if asked.hide:
        scope.hidden(asked.hide)
    pairs = scope.pairs
    graph = Graph(pairs.clients, pairs.servers, len(scope.groups))
    changed = changes_of(scope)
    seeds = scope.selected(asked.select)
    if len(seeds) > asked.budget:
        raise UsageError(
            f"{len(seeds)} nodes are selected, more than the budget of {asked.budget}",
            "select fewer, or raise budget (at most 500)",
        )
    scores, urgent = ranks(pairs, asked.rank, changed)
    if seeds or asked.select:
        limits = Limits(asked.hops, asked.direction, asked.budget, asked.fan)
        chosen = neighborhood(graph, seeds, limits, scores, urgent, _kept(scope, asked.keep))
    else:
        chosen = overview(graph, asked.budget, scores, urgent)
    return _Picture(scope, pairs, graph, changed, chosen).answer(seeds)


def changes_of(scope: Scope) -> Changes | None:
    """From the window that it is compared with; None without one."""
    before, against = scope.pairs.sums_before, scope.when.against
    if before is None or against is None:
        return None
    seconds = scope.when.known_seconds(scope.when.window), scope.when.known_seconds(against)
    return changes(scope.pairs.sums_now, before, seconds)


def ranks(pairs: Pairs, rank: Rank, changed: Changes | None) -> tuple[np.ndarray, np.ndarray]:
    """The score of each edge, and how urgent it is (0: healthy)."""
    sums, count = pairs.sums_now, len(pairs)
    traffic = np.empty(count)
    traffic[np.argsort(sums.traffic, kind="stable")] = np.arange(count) / max(1, count)
    failed = np.maximum(
        sums.failed / np.maximum(1, sums.attempts), sums["requests.failed"] / np.maximum(1, sums["requests"])
    )
    failed = np.maximum(failed, sums["queries.failed"] / np.maximum(1, sums["queries"]))
    surprise = changed.scores if changed is not None else np.zeros(count)
    urgent = sums.levels.astype(np.int64)
    if changed is not None:
        urgent = np.maximum(urgent, np.where(changed.states >= CHANGED, DEGRADED, 0))
    scores = {
        "traffic": traffic,
        "errors": np.log1p(_failures(sums)) + failed + traffic / 100,
        "change": surprise + traffic / 100,
        "mixed": traffic + 2 * failed + surprise,
    }[rank]
    return scores, urgent


def _kept(scope: Scope, ids: list[int]) -> list[int]:
    """The groups of these ids that are known."""
    return np.flatnonzero(np.isin(scope.groups.ids, ids)).tolist()


@dataclass
class _Picture:
    """What was chosen, on its way to an answer."""

    scope: Scope
    pairs: Pairs
    graph: Graph
    changed: Changes | None
    chosen: Neighborhood

    def answer(self, seeds: list[int]) -> MapAnswer:
        """All of it."""
        chosen, ids = self.chosen, self.scope.groups.ids
        shown = np.zeros(self.graph.nodes, np.bool_)
        shown[chosen.nodes] = True
        entering = np.flatnonzero(shown[self.pairs.servers])
        requests = self.pairs.now.requests(entering, len(self.pairs))
        inside = np.flatnonzero(shown[self.pairs.clients[entering]])
        rows = entering[inside]
        mine = None if requests is None else requests.take(inside)
        plain = edges_of(self.pairs, rows, self.scope.when, self.changed, mine)
        edges = with_paths(self.scope.folded, self.scope.when.window, self.pairs, rows, plain)
        ends = list(zip(self.pairs.clients[rows].tolist(), self.pairs.servers[rows].tolist(), strict=True))
        places = columns(chosen.nodes, ends)
        return MapAnswer(
            selection=[int(ids[seed]) for seed in seeds],
            nodes=_Nodes(self, shown, edges, self._took(entering, requests)).all(places),
            edges=edges,
            shown=len(chosen.nodes),
            left_out=chosen.reach - len(chosen.nodes),
            of=chosen.reach,
            truncated_by=chosen.truncated_by or ("budget" if chosen.reach > len(chosen.nodes) else None),
            group=self.scope.group,
        )

    def _took(self, rows: np.ndarray, requests: Measures | None) -> dict[int, Quantiles | None]:
        """Node -> how long requests to it took.

        :param requests: of these rows of pairs.
        """
        if requests is None:
            return {}
        nodes, same = np.unique(self.pairs.servers[rows], return_inverse=True)
        return dict(zip(nodes.tolist(), took(requests.summed(same, len(nodes))), strict=True))


class _Nodes:
    """The nodes of a picture; sums of a node are over all of its edges, also those that are not shown."""

    def __init__(
        self,
        picture: _Picture,
        shown: np.ndarray,
        edges: list[Edge],
        request_ns: dict[int, Quantiles | None],
    ) -> None:
        self._picture = picture
        self._request_ns = request_ns
        pairs, graph = picture.pairs, picture.graph
        self._up, self._down = graph.hidden(shown)
        self._as_server = pairs.sums_now.added(pairs.servers, graph.nodes)
        self._as_client = pairs.sums_now.added(pairs.clients, graph.nodes)
        self._bad = self._worst_edges()
        self._seen = _last_seen(edges)
        self._before = self._there_before()
        self._changed = self._any_changed()

    def all(self, places: dict[int, int]) -> list[Node]:
        """In the order in which they were chosen."""
        return [self._node(node, places[node]) for node in self._picture.chosen.nodes]

    def _worst_edges(self) -> dict[int, list[int]]:
        """Client -> its edges that fail or are degraded, the worst first."""
        pairs = self._picture.pairs
        found: dict[int, list[int]] = {}
        rows = np.flatnonzero(pairs.sums_now.levels)
        for row in rows[
            np.lexsort((-_failures(pairs.sums_now)[rows], -pairs.sums_now.levels[rows]))
        ].tolist():
            found.setdefault(int(pairs.clients[row]), []).append(row)
        return found

    def _node(self, node: int, column: int) -> Node:
        picture = self._picture
        groups, chosen, when = picture.scope.groups, picture.chosen, picture.scope.when
        name, members = groups.names[node], groups.members(node)
        parts = [groups.workloads.parts[place] for place in members.tolist()]
        status, why = self._status(node)
        first = int(groups.workloads.first_s[members].min())
        return Node(
            id=int(groups.ids[node]),
            key=name.key,
            name=name.name,
            kind=name.kind,
            namespace=name.namespace,
            zones=sorted({part.zone for part in parts if part.zone}),
            versions=sorted({part.version for part in parts if part.version}),
            hop=max(0, int(chosen.hops[node])),
            column=column,
            status=status,
            reasons=why,
            why=self._why(node),
            left_out=LeftOut(int(self._up[node]), int(self._down[node])),
            stack=None,
            requests=int(self._as_server["requests"][node]),
            requests_failed=int(self._as_server["requests.failed"][node]),
            request_ns=self._request_ns.get(node),
            first_s=when.second(first),
            last_s=self._seen.get(int(groups.ids[node]), 0),
            change=self._change(node),
        )

    def _why(self, node: int) -> Why | None:
        chosen, ids = self._picture.chosen, self._picture.scope.groups.ids
        if node not in chosen.entries:
            return None
        path = [int(ids[each]) for each in chosen.path(node)]
        return Why(self._picture.pairs.edge_id(chosen.entries[node]), path)

    def _status(self, node: int) -> tuple[Status, list[str]]:
        """How it serves; what it calls and what fails there makes it degraded."""
        served, called = self._as_server, self._as_client
        if not served.there[node] and not called.there[node]:
            return self._absent(node)
        level = int(served.levels[node])
        said = []
        if level:
            said = reasons(
                int(served.failed[node]),
                int(served.attempts[node]),
                int(served["retransmitted_segments"][node]),
                int(served["sent_segments"][node]),
                int(served["connections.closed.timed_out"][node]),
                int(served["requests.failed"][node]),
                int(served["requests"][node]),
                dropped=dropped_text((), int(served["dropped_segments"][node])),
                queries=(int(served["queries.failed"][node]), int(served["queries"][node])),
            )
        said += self._calls(node)
        return STATUSES[max(level, DEGRADED if said else level)], said

    def _calls(self, node: int) -> list[str]:
        """What fails where it calls."""
        pairs, groups = self._picture.pairs, self._picture.scope.groups
        sums, said = pairs.sums_now, []
        failing = [row for row in self._bad.get(node, []) if sums.levels[row] == FAILING]
        for row in failing[:_NAMED_SERVERS]:
            server = f"{groups.names[int(pairs.servers[row])].key}:{pairs.ports[row]}"
            opens = sums.failed[row], sums.attempts[row], "opens"
            asked = sums["requests.failed"][row], sums["requests"][row], "requests"
            looked_up = sums["queries.failed"][row], sums["queries"][row], "queries of DNS"
            bad, of, what = max(opens, asked, looked_up, key=lambda each: each[0] / max(1, each[1]))
            share = share_text(float(bad), float(of))
            said.append(f"calls of {server}: failed {share} of {int(of)} {what}")
        if len(failing) > _NAMED_SERVERS:
            said.append(f"calls of {len(failing) - _NAMED_SERVERS} others fail too")
        return said

    def _absent(self, node: int) -> tuple[Status, list[str]]:
        """Nothing in this window: because nothing was, or because nobody looked."""
        scope = self._picture.scope
        for gap in scope.store.gaps(scope.when.window):
            if gap.is_silence and (not gap.node or gap.node in scope.nodes_of(node)):
                return "unknown", [
                    f"{gap.node or 'the store'} reported nothing ({gap.reason.replace('_', ' ')})"
                ]
        return "silent", ["nothing in this window"]

    def _change(self, node: int) -> ChangeState | None:
        if self._before is None:
            return None
        now = bool(self._as_server.there[node] or self._as_client.there[node])
        if now != bool(self._before[node]):
            return "new" if now else "gone"
        return "changed" if self._changed[node] else "same"

    def _there_before(self) -> np.ndarray | None:
        pairs, before = self._picture.pairs, self._picture.pairs.sums_before
        if before is None:
            return None
        there = np.zeros(self._picture.graph.nodes, np.bool_)
        for ends in (pairs.clients, pairs.servers):
            there[ends[before.there]] = True
        return there

    def _any_changed(self) -> np.ndarray:
        """Which nodes have an edge that is another than before."""
        pairs, changed = self._picture.pairs, self._picture.changed
        found = np.zeros(self._picture.graph.nodes, np.bool_)
        if changed is not None:
            for ends in (pairs.clients, pairs.servers):
                found[ends[changed.states >= CHANGED]] = True
        return found


def _failures(sums: Sums) -> np.ndarray:
    """Of connects, requests and queries."""
    failed: np.ndarray = sums.failed + sums["requests.failed"] + sums["queries.failed"]
    return failed


def _last_seen(edges: list[Edge]) -> dict[int, int]:
    """Id of a node -> the last second of its edges."""
    seen: dict[int, int] = {}
    for edge in edges:
        for end in (edge.from_id, edge.to_id):
            seen[end] = max(seen.get(end, 0), edge.last_s)
    return seen
