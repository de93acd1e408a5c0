"""Rows of answers as flat cells: what tables and CSV have in common."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from store.queries.questions import Question

#: Fields that rows of tables leave out: what is nested in lists of its own.
_LEFT_OUT: Final = frozenset({"why", "stack", "left_out"})


def table_of(question: Question, data: Any) -> tuple[list[str], list[list[Any]]]:
    """Names of columns, and the rows of an answer."""
    built = msgspec.to_builtins(data)
    rows = [_flat(row) for row in _rows(question, built)]
    names = list(dict.fromkeys(name for row in rows for name in row))
    return names, [[row.get(name) for name in names] for row in rows]


def _rows(question: Question, data: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    held = data[question.rows]
    if question.name == "series":
        names = list(held)
        columns = [data["begins_s"], *(held[name] for name in names)]
        return [dict(zip(["begins_s", *names], row, strict=True)) for row in zip(*columns, strict=True)]
    if question.name == "where":
        return [{"attribute": by["attribute"], **value} for by in held for value in by["values"]]
    if question.name == "map":
        keys = {node["id"]: node["key"] for node in data["nodes"]}
        return [{"client": keys[edge["from"]], "server": keys[edge["to"]], **edge} for edge in held]
    if question.name in ("edges", "diff"):
        return [{"client": row["client"], "server": row["server"], **row["edge"]} for row in held]
    if question.name == "nat":
        return [{**chain, "hops": " → ".join(map(_hop, chain["hops"]))} for chain in held]
    return list(held)


def _hop(hop: Mapping[str, str]) -> str:
    return hop["dst"] + (f" by {hop['rewritten_by']}" if hop["rewritten_by"] else "")


def _flat(row: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Nested names with dots between them; of a pair [before, now] each its own."""
    cells: dict[str, Any] = {}
    for name, value in row.items():
        if name in _LEFT_OUT:
            continue
        if isinstance(value, Mapping):
            cells.update(_flat(value, f"{before}{name}."))
        elif isinstance(value, Sequence) and not isinstance(value, str):
            pair = before == "change." and len(value) == 2
            cells |= (
                {f"{before}{name}.before": value[0], f"{before}{name}.now": value[1]}
                if pair
                else {f"{before}{name}": "; ".join(map(str, value))}
            )
        else:
            cells[f"{before}{name}"] = value
    return cells
