"""Columns of a picture, left to right: callers left of whom they call; circles are broken where they are found."""

from collections.abc import Sequence


def columns(nodes: Sequence[int], edges: Sequence[tuple[int, int]]) -> dict[int, int]:
    """The column of each node: the longest way that leads to it, 0 first.

    One without callers stands beside its first server.

    :param edges: from client to server, between these nodes.
    """
    called: dict[int, list[int]] = {node: [] for node in nodes}
    for client, server in dict.fromkeys(edges):
        if client != server:
            called[client].append(server)
    order = _finished_last_first(nodes, called)
    place = {node: number for number, node in enumerate(order)}
    forward = {
        node: [each for each in servers if place[each] > place[node]] for node, servers in called.items()
    }
    column = dict.fromkeys(order, 0)
    for node in order:
        for server in forward[node]:
            column[server] = max(column[server], column[node] + 1)
    callers = {server for servers in forward.values() for server in servers}
    for node in order:
        if node not in callers and forward[node]:
            column[node] = min(column[server] for server in forward[node]) - 1
    return column


def _finished_last_first(nodes: Sequence[int], called: dict[int, list[int]]) -> list[int]:
    """Nodes in topological order, but for edges that close a circle (depth first; Tarjan 1976)."""
    seen: set[int] = set()
    order: list[int] = []
    callers = {server for servers in called.values() for server in servers}
    for start in (*(node for node in nodes if node not in callers), *nodes):
        if start in seen:
            continue
        seen.add(start)
        stack = [(start, iter(called[start]))]
        while stack:
            node, rest = stack[-1]
            following = next((each for each in rest if each not in seen), None)
            if following is None:
                order.append(node)
                stack.pop()
            else:
                seen.add(following)
                stack.append((following, iter(called[following])))
    return order[::-1]
