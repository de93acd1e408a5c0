"""Why packets of edges were dropped: the causes of each, and what is said of them."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from model.kinds.drop import why_text
from model.text.units import short_number
from store.measures import DROP_PARTS
from store.queries.answers import DropCause
from store.queries.pairs import Side
from store.reading import Drops

#: Columns of edges: what was dropped, and what else was sent.
DROPS: Final = ("dropped_segments", "sent_segments", "datagrams")
#: What drops have in common that are told apart where causes are looked for: reason, chain, machine.
Kind = tuple[str, str, str]
OTHER_KIND: Final[Kind] = ("other kinds", "other kinds", "other kinds")
#: Causes of an edge in an answer.
_MOST: Final = 5
#: Packets below which nothing is said.
_LEAST: Final = 3
#: The part of all drops from which on one cause is told alone.
_NEARLY_ALL: Final = 0.9


def causes_of_pairs(side: Side, rows: np.ndarray, count: int) -> list[list[DropCause]]:
    """Of each of these rows of ``Pairs``, the most frequent first."""
    found: list[list[DropCause]] = [[] for _ in range(len(rows))]
    drops = side.drops(rows, count)
    if drops is None:
        return found
    places, told = drops
    packets: dict[tuple[int, tuple[str, ...]], int] = {}
    texts = zip(*(told.parts[name].tolist() for name in DROP_PARTS), strict=True)
    for place, parts, number in zip(places.tolist(), texts, told.packets.tolist(), strict=True):
        packets[place, parts] = packets.get((place, parts), 0) + number
    for (place, parts), number in packets.items():
        found[place].append(DropCause(**dict(zip(DROP_PARTS, parts, strict=True)), packets=number))
    for each in found:
        each.sort(key=lambda cause: (-cause.packets, cause.reason, cause.node))
    return found


def kinds_of(told: Drops) -> list[Kind]:
    """Of each row; the reason is the category, else what the kernel calls it."""
    categories, reasons, hooks, nodes = (
        told.parts[name].tolist() for name in ("category", "reason", "hook", "node")
    )
    return [
        (category if category != "other" else reason, hook or "-", node)
        for category, reason, hook, node in zip(categories, reasons, hooks, nodes, strict=True)
    ]


def shown(causes: Sequence[DropCause]) -> list[DropCause]:
    """Those that stand in an answer."""
    return list(causes[:_MOST])


def dropped_text(causes: Sequence[DropCause], total: int) -> str:
    """``312 packets dropped by netfilter on node-7, chain FORWARD``: by the first cause; empty of one or two.

    :param causes: the most frequent first.
    :param total: of all causes.
    """
    if total < _LEAST:
        return ""
    packets = f"{short_number(total)} packets dropped"
    if not causes:
        return packets
    first = causes[0]
    where = f" on {first.node}" if first.node else ""
    chain = f", chain {first.hook}" if first.hook else ""
    most = "" if first.packets >= _NEARLY_ALL * total else f", {short_number(first.packets)} of them"
    return f"{packets}{most} {why_text(first.category, first.reason)}{where}{chain}"
