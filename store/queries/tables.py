"""Tables of edges: those of one window, and what changed between two."""

from collections.abc import Iterator

import numpy as np

from model.errors import UsageError
from store.queries.answers import DiffAnswer, DiffRow, Edge, EdgeRow, EdgesAnswer
from store.queries.change import CHANGED, GONE, NEW, SAME, STATES, Changes
from store.queries.edge_rows import edges_of
from store.queries.map import changes_of
from store.queries.pairs import Pairs
from store.queries.parameters import DiffParameters, EdgesParameters
from store.queries.paths import with_paths
from store.queries.scope import Scope


def edges_answer(scope: Scope, asked: EdgesParameters) -> EdgesAnswer:
    """A page of the table.

    :raises UsageError: if the cursor is none.
    """
    pairs, changed = scope.pairs, changes_of(scope)
    rows = selected_rows(scope, asked.select)
    values = _values(pairs, rows, asked.sort.removeprefix("-"), changed)
    order = np.lexsort((rows, values if asked.sort.startswith("-") else -values))
    begin = begin_of(asked.cursor, len(rows))
    page = rows[order[begin : begin + asked.limit]]
    end = begin + len(page)
    return EdgesAnswer(
        rows=[EdgeRow(client, server, edge) for client, server, edge in _named(scope, page, changed)],
        of=len(rows),
        cursor=str(end) if end < len(rows) else None,
    )


def diff_answer(scope: Scope, asked: DiffParameters) -> DiffAnswer:
    """What changed, the most surprising first."""
    changed = changes_of(scope)
    against = scope.period_before
    if changed is None or against is None:
        raise UsageError("nothing to compare with", "say against")
    rows = selected_rows(scope, asked.select)
    states = changed.states[rows]
    wanted = [STATES.index(state) for state in asked.state]
    found = rows[np.isin(states, wanted) & (changed.scores[rows] >= asked.min_change)]
    found = found[np.lexsort((found, -changed.scores[found]))]
    page = found[: asked.limit]
    count = np.bincount(states, minlength=len(STATES)).tolist()
    return DiffAnswer(
        against=against,
        rows=[
            DiffRow(client, server, edge, edge.change.score if edge.change else 0.0)
            for client, server, edge in _named(scope, page, changed)
        ],
        of=len(found),
        new=count[NEW],
        gone=count[GONE],
        changed=count[CHANGED],
        same=count[SAME],
    )


def _named(scope: Scope, rows: np.ndarray, changed: Changes | None) -> Iterator[tuple[str, str, Edge]]:
    """Edges with the keys of their ends."""
    pairs, names = scope.pairs, scope.groups.names
    clients, servers = pairs.clients[rows].tolist(), pairs.servers[rows].tolist()
    plain = edges_of(pairs, rows, scope.when, changed)
    edges = with_paths(scope.folded, scope.when.window, pairs, rows, plain)
    for client, server, edge in zip(clients, servers, edges, strict=True):
        yield names[client].key, names[server].key, edge


def selected_rows(scope: Scope, select: list[str], edge: list[str] | None = None) -> np.ndarray:
    """Rows of pairs with a selected end, or those that are named; all if nothing is said.

    :raises NotFoundError: if something is named that is not known.
    """
    pairs = scope.pairs
    rows = scope.edges_named(edge) if edge else np.arange(len(pairs))
    if select:
        numbers = scope.selected(select)
        rows = rows[np.isin(pairs.clients[rows], numbers) | np.isin(pairs.servers[rows], numbers)]
    return rows


def _values(pairs: Pairs, rows: np.ndarray, name: str, changed: Changes | None) -> np.ndarray:
    """What rows are sorted by."""
    if name == "p99":
        return pairs.now.measures(rows, len(pairs)).quantiles("connect_latency_ns", 0.99)
    sums = pairs.sums_now
    columns: dict[str, np.ndarray] = {
        "bytes": sums.traffic,
        "failed": sums.failed,
        "opened": sums["connections.opened"],
        "retransmits": sums["retransmitted_segments"],
        "dropped": sums["dropped_segments"],
        "requests": sums["requests"],
        "requests_failed": sums["requests.failed"],
        "score": np.zeros(len(pairs)) if changed is None else changed.scores,
    }
    values: np.ndarray = columns[name]
    return np.take(values, rows)


def begin_of(cursor: str, count: int) -> int:
    """The first row of a page.

    :raises UsageError: if the cursor is none.
    """
    if cursor and not (cursor.isdecimal() and int(cursor) <= count):
        raise UsageError(f"{cursor} is no cursor of this table", "ask for the first page again")
    return int(cursor or 0)
