"""A map as a picture: columns of nodes, clients left, servers right; status by shape and word, edges by width."""

from collections import defaultdict
from html import escape
from math import log1p
from typing import Final

from store.queries.answers import Edge, MapAnswer, Node

_WIDTH, _HEIGHT = 190, 44
_STEP_X, _STEP_Y = 290, 66
_MARGIN: Final = 24
#: How often rows of a column are put in the order of their neighbours' rows.
_SWEEPS: Final = 6

_SIGNS: Final = {"failing": "✖", "degraded": "▲", "ok": "○", "silent": "⨯", "unknown": "?"}
_COLOURS: Final = {
    "failing": "#b3261e",
    "degraded": "#8a5a00",
    "ok": "#2f6f4f",
    "silent": "#6b6b6b",
    "unknown": "#6b6b6b",
}
_DASHES: Final = {"failing": "8 4", "silent": "2 4", "unknown": "2 4"}


def svg_of(answer: MapAnswer) -> str:
    """Text and shapes alone: no script, nothing from elsewhere."""
    places = _places(answer)
    right = max((x for x, _ in places.values()), default=0) + _WIDTH + _MARGIN
    bottom = max((y for _, y in places.values()), default=0) + _HEIGHT + _MARGIN
    most = max((log1p(edge.bytes + edge.reply_bytes) for edge in answer.edges), default=1.0) or 1.0
    shapes = [
        *(_edge(edge, places, most) for edge in answer.edges),
        *(_node(node, places[node.id]) for node in answer.nodes),
    ]
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {right} {bottom}" width="{right}" height="{bottom}" '
        'font-family="sans-serif" font-size="12">'
    )
    arrow = (
        '<defs><marker id="a" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto" '
        'markerUnits="userSpaceOnUse"><path d="M0 0L8 4L0 8z" fill="#555"/></marker></defs>'
    )
    title = f"<title>{answer.shown} of {answer.of} nodes</title>"
    return "".join(
        [head, title, arrow, '<rect width="100%" height="100%" fill="#fff"/>', *shapes, "</svg>\n"]
    )


def _places(answer: MapAnswer) -> dict[int, tuple[int, int]]:
    """The upper left corner of each node: rows in the order of the middle of their neighbours."""
    columns: dict[int, list[int]] = defaultdict(list)
    for node in answer.nodes:
        columns[node.column].append(node.id)
    near: dict[int, list[int]] = defaultdict(list)
    for edge in answer.edges:
        if edge.from_id != edge.to_id:
            near[edge.from_id].append(edge.to_id)
            near[edge.to_id].append(edge.from_id)
    row = {node: float(place) for nodes in columns.values() for place, node in enumerate(nodes)}
    for _ in range(_SWEEPS):
        for column in sorted(columns):
            columns[column].sort(key=lambda node: _middle([row[each] for each in near[node]], row[node]))
            row.update({node: float(place) for place, node in enumerate(columns[column])})
    first, tallest = min(columns, default=0), max(map(len, columns.values()), default=0)
    return {
        node: (
            _MARGIN + (column - first) * _STEP_X,
            _MARGIN + place * _STEP_Y + (tallest - len(nodes)) * _STEP_Y // 2,
        )
        for column, nodes in columns.items()
        for place, node in enumerate(nodes)
    }


def _middle(rows: list[float], own: float) -> float:
    return sum(rows) / len(rows) if rows else own


def _node(node: Node, at: tuple[int, int]) -> str:
    x, y = at
    colour, dash = _COLOURS[node.status], _DASHES.get(node.status, "")
    said = node.reasons[0] if node.reasons else node.namespace or node.kind
    thick = 3 if node.hop == 0 and node.why is None else 1.5
    return (
        f'<g><title>{escape(node.key)}: {node.status}</title><rect x="{x}" y="{y}" width="{_WIDTH}" '
        f'height="{_HEIGHT}" rx="6" fill="#fff" stroke="{colour}" stroke-width="{thick}" stroke-dasharray="{dash}"/>'
        f'<text x="{x + 8}" y="{y + 18}" fill="#111">{_SIGNS[node.status]} {_cut(node.name, 24)}</text>'
        f'<text x="{x + 8}" y="{y + 35}" fill="{colour}" font-size="11">{_cut(said, 30)}</text></g>'
    )


def _edge(edge: Edge, places: dict[int, tuple[int, int]], most: float) -> str:
    (x, y), (to_x, to_y) = places[edge.from_id], places[edge.to_id]
    x, y, to_y = x + _WIDTH, y + _HEIGHT // 2, to_y + _HEIGHT // 2
    middle = max(40, abs(to_x - x) // 2)
    width = 1 + 4 * log1p(edge.bytes + edge.reply_bytes) / most
    path = f"M{x} {y}C{x + middle} {y} {to_x - middle} {to_y} {to_x} {to_y}"
    line = (
        f'<path d="{path}" fill="none" stroke="{_COLOURS[edge.status]}" stroke-width="{width:.1f}" opacity="0.8" '
        f'stroke-dasharray="{_DASHES.get(edge.status, "")}" marker-end="url(#a)">'
        f"<title>:{edge.port} {edge.status}</title></path>"
    )
    if edge.status == "ok" or not edge.reasons:
        return line
    label = _cut(f"{_SIGNS[edge.status]} {edge.reasons[0]}", 40)
    place = f'x="{(x + to_x) // 2 - 60}" y="{(y + to_y) // 2 - 6}"'
    return f'{line}<text {place} font-size="11" fill="#111">{label}</text>'


def _cut(text: str, most: int) -> str:
    return escape(text if len(text) <= most else f"{text[: most - 1]}…")
