"""A map in the language of Graphviz."""

from typing import Final

from store.queries.answers import Edge, MapAnswer, Node

_SHAPES: Final = {
    "failing": "octagon",
    "degraded": "triangle",
    "unknown": "box",
    "silent": "box",
    "ok": "ellipse",
}


def dot_of(answer: MapAnswer) -> str:
    """``dot -Tsvg`` makes a picture of it: callers left of whom they call."""
    lines = [
        "digraph tailrace {",
        "  rankdir=LR;",
        '  node [fontname="sans-serif"]; edge [fontname="sans-serif"];',
    ]
    lines += [_node(node) for node in answer.nodes]
    lines += [_edge(edge) for edge in answer.edges]
    return "\n".join([*lines, "}", ""])


def _node(node: Node) -> str:
    words = [node.name, node.namespace, *node.reasons]
    style = "dashed" if node.status in ("unknown", "silent") else "solid"
    label = _quoted("\n".join(filter(None, words)))
    return f"  {node.id} [label={label}, shape={_SHAPES[node.status]}, style={style}];"


def _edge(edge: Edge) -> str:
    label = _quoted("\n".join([f":{edge.port}", *edge.reasons]))
    style = "dashed" if edge.status == "failing" else "dotted" if edge.retransmits else "solid"
    return f"  {edge.from_id} -> {edge.to_id} [label={label}, style={style}];"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
